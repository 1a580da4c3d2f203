/** How long something is valid. */

import { counted } from "../../format/count.ts";

interface Props {
  label: string;
  options: readonly (number | null)[];
  /** Days. null: without an end. */
  value: number | null;
  onChange(value: number | null): void;
  disabled: boolean;
}

export function DaysField({ label, options, value, onChange, disabled }: Props) {
  return (
    <label className="field">
      <span>{label}</span>
      <select
        value={value ?? ""}
        disabled={disabled}
        onChange={({ currentTarget }) => onChange(currentTarget.value === "" ? null : Number(currentTarget.value))}
      >
        {options.map((days) => (
          <option key={days ?? ""} value={days ?? ""}>
            {days === null ? "without an end" : counted(days, "day", "days")}
          </option>
        ))}
      </select>
    </label>
  );
}
