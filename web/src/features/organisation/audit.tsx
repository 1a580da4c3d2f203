/** The audit log of an organisation: who did what, when, from where, with which outcome. */

import { useEffect, useState } from "react";
import { TextField } from "../../components/fields.tsx";
import { instant } from "../../format/accounts.ts";
import { counted } from "../../format/count.ts";
import { fromLocal, toLocal } from "../../format/local-time.ts";
import { second } from "../../format/time.ts";
import { visible } from "../../format/visible.ts";
import type { AccountsApi, AuditQuery, AuditRecord } from "../../live/accounts-api.ts";

/** The log is long. At first its last day is shown, milliseconds. */
const FIRST_MS = 24 * 60 * 60_000;

export function Audit({ api }: { api: AccountsApi }) {
  const [query, setQuery] = useState<AuditQuery>(() => ({ from: Date.now() - FIRST_MS }));
  const { records, more, problem, busy, loadMore } = useAudit(api, query);
  return (
    <>
      <p>Each change of the organisation, and each sign-in. Records are chained: one that was changed or removed shows.</p>
      <Filters query={query} search={setQuery} />
      {problem !== null && (
        <p className="notice" role="alert">
          The audit log could not be loaded: {problem}
        </p>
      )}
      <p className="muted small" role="status">
        {busy ? "Loading…" : problem !== null ? "" : foundWords(records.length, more)}
      </p>
      {records.length > 0 && (
        // On narrow screens the rows are blocks. The roles keep the table semantics.
        <table className="audit" role="table" aria-label="Audit log">
          <thead role="rowgroup">
            <tr role="row">
              {["Time", "Who", "What", "Target", "From", "Outcome"].map((column) => (
                <th key={column} role="columnheader" scope="col">
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody role="rowgroup">
            {records.map((record) => (
              <Row key={record.seq} record={record} />
            ))}
          </tbody>
        </table>
      )}
      {more && (
        <button type="button" className="quiet more" disabled={busy} onClick={loadMore}>
          Show more
        </button>
      )}
    </>
  );
}

/** The server looks at some thousand records at a time, of which a filter may leave none. */
function foundWords(count: number, more: boolean): string {
  if (count === 0) {
    return more ? "No record matches so far, and there are more." : "No record matches.";
  }
  return `${counted(count, "record", "records")}${more ? ", and there are more" : ""}`;
}

function Row({ record }: { record: AuditRecord }) {
  const { seq, at, who, what, target, detail, from, outcome, version, hash } = record;
  return (
    <tr role="row" data-testid="audit-record" title={`record ${seq}, version ${version}, hash ${hash}`}>
      <td role="cell">
        <time dateTime={new Date(instant(at)).toISOString()}>{second(instant(at))}</time>
      </td>
      <td role="cell">{visible(who)}</td>
      <th role="rowheader" scope="row">
        {what}
      </th>
      <td role="cell">
        {visible(target)}
        {detail !== null && <span className="muted"> {visible(detail)}</span>}
      </td>
      <td role="cell">{from}</td>
      <td role="cell">{outcome}</td>
    </tr>
  );
}

function Filters({ query, search }: { query: AuditQuery; search(query: AuditQuery): void }) {
  const [from, setFrom] = useState(toLocal(query.from));
  const [to, setTo] = useState(toLocal(query.to));
  const [who, setWho] = useState("");
  const [what, setWhat] = useState("");
  const submit = () => {
    const [begin, end] = [fromLocal(from), fromLocal(to)];
    search({
      ...(begin === null ? {} : { from: begin }),
      ...(end === null ? {} : { to: end }),
      ...(who.trim() === "" ? {} : { who: who.trim() }),
      ...(what.trim() === "" ? {} : { what: what.trim() }),
    });
  };
  return (
    <form
      className="filters"
      aria-label="Filter"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <Instant label="From" value={from} onChange={setFrom} />
      <Instant label="Until" value={to} onChange={setTo} />
      <TextField label="Who" name="who" plain value={who} onChange={setWho} />
      <TextField label="What" name="what" plain value={what} onChange={setWhat} />
      <button type="submit">Search</button>
    </form>
  );
}

function Instant({ label, value, onChange }: { label: string; value: string; onChange(value: string): void }) {
  return (
    <label className="field">
      <span>{label}</span>
      <input type="datetime-local" value={value} onChange={({ currentTarget }) => onChange(currentTarget.value)} />
    </label>
  );
}

interface Pages {
  records: AuditRecord[];
  more: boolean;
  problem: string | null;
  busy: boolean;
  loadMore(): void;
}

function useAudit(api: AccountsApi, query: AuditQuery): Pages {
  const [loaded, setLoaded] = useState<{ records: AuditRecord[]; next: number | null }>({ records: [], next: null });
  const [problem, setProblem] = useState<string | null>(null);
  /** Where the page that is being loaded begins. undefined: none is. null: the first one. */
  const [after, setAfter] = useState<number | null | undefined>(null);
  useEffect(() => {
    setLoaded({ records: [], next: null });
    setAfter(null);
  }, [api, query]);
  useEffect(() => {
    if (after === undefined) {
      return;
    }
    const abort = new AbortController();
    api.audit({ ...query, ...(after === null ? {} : { after }) }, abort.signal).then(
      ({ records, next }) => {
        setLoaded((before) => ({ records: after === null ? records : [...before.records, ...records], next }));
        setProblem(null);
        setAfter(undefined);
      },
      (error: Error) => {
        if (!abort.signal.aborted) {
          setProblem(error.message);
          setAfter(undefined);
        }
      },
    );
    return () => abort.abort();
  }, [api, query, after]);
  return {
    records: loaded.records,
    more: loaded.next !== null,
    problem,
    busy: after !== undefined,
    loadMore: () => setAfter(loaded.next),
  };
}
