/** What a person can say about a file. All of it can be left to the file. */

import { DECIMALS, TIME_FORMATS } from "../../format/import.ts";
import type { ImportOptions } from "./upload.ts";

interface Props {
  options: ImportOptions;
  /** The option that the server asks for. */
  asked: keyof ImportOptions | null;
  change(change: Partial<ImportOptions>): void;
}

export function FileOptions({ options, asked, change }: Props) {
  return (
    <div className="choices">
      <label>
        KPI
        <input value={options.kpi} placeholder="from the file" onChange={(event) => change({ kpi: event.target.value })} />
      </label>
      <Choice name="Times are written" of="timeFormat" choices={TIME_FORMATS} {...{ options, asked, change }} />
      <Choice name="Decimal sign" of="decimal" choices={DECIMALS} {...{ options, asked, change }} />
      <label className={asked === "timeZone" ? "is-asked" : ""}>
        Time zone
        <select value={options.timeZone} onChange={(event) => change({ timeZone: event.target.value })}>
          <option value="">as the file says, else UTC</option>
          {zones().map((zone) => (
            <option key={zone}>{zone}</option>
          ))}
        </select>
      </label>
      <label className={asked === "values" ? "is-asked" : ""}>
        Columns of numbers
        <input
          value={options.values}
          placeholder="as the first rows show"
          onChange={(event) => change({ values: event.target.value })}
        />
      </label>
      <label className="check">
        <input type="checkbox" checked={options.history} onChange={(event) => change({ history: event.target.checked })} />{" "}
        Import as history: learn from it without alerts
      </label>
    </div>
  );
}

interface ChoiceProps extends Props {
  name: string;
  of: "timeFormat" | "decimal";
  choices: Record<string, string>;
}

function Choice({ name, of, choices, options, asked, change }: ChoiceProps) {
  return (
    <label className={asked === of ? "is-asked" : ""}>
      {name}
      <select value={options[of]} onChange={(event) => change({ [of]: event.target.value })}>
        <option value="">as the file shows</option>
        {Object.entries(choices).map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}

/** The zone of this browser first. */
function zones(): string[] {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return [...new Set([own, ...Intl.supportedValuesOf("timeZone")])].filter((zone) => zone !== "UTC");
}
