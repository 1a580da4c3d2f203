/** The mark of Earcon. */

export function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true" className="mark">
      <rect width="32" height="32" rx="8" />
      <path d="M7 14.5v3M11.5 11.5v9M16 6.5v19M20.5 12.5v7M25 14.8v2.4" />
    </svg>
  );
}
