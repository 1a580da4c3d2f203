/** How a file is understood: its form, columns, first samples, and what would be skipped. */

import { Fact } from "../../components/fact.tsx";
import { columnWords, DECIMALS, orderName, type Preview, separatorName, TIME_FORMATS, utcText } from "../../format/import.ts";
import { labelsText } from "../../format/names.ts";

/** Samples that are shown. */
const SHOWN = 6;
/** Columns that are shown. */
const MAX_COLUMNS = 24;

export function PreviewFacts({ preview, workbook }: { preview: Preview; workbook: boolean }) {
  const { columns, samples, samples_total, skipped, problems, refused, refusals, warning } = preview;
  return (
    <>
      <dl className="facts">
        {/* A workbook has no separator. */}
        {!workbook && <Fact name="Separator" value={separatorName(preview.separator)} />}
        <Fact name="Decimal sign" value={DECIMALS[preview.decimal]} />
        <Fact name="Times" value={TIME_FORMATS[preview.time_format] ?? preview.time_format} />
        <Fact name="Zone of times that name none" value={preview.time_zone} />
        <Fact name="Order" value={orderName(preview.order)} />
      </dl>
      {warning !== undefined && <p className="muted">{sentence(warning)}</p>}
      <h3>Columns</h3>
      <table className="plain" data-testid="columns">
        <tbody>
          {columns.slice(0, MAX_COLUMNS).map((column, at) => (
            <tr key={at} className={`is-${column.role}`}>
              <th scope="row">{column.name}</th>
              <td>{columnWords(column)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {columns.length > MAX_COLUMNS && <p className="muted">and {columns.length - MAX_COLUMNS} more</p>}
      <h3>First samples</h3>
      {samples_total === 0 ? (
        <p role="alert">The first hundred rows have no sample that can be imported.</p>
      ) : (
        <SampleTable samples={samples.slice(0, SHOWN)} />
      )}
      {refused > 0 && (
        <div role="alert" data-testid="refused">
          <h3>Refused</h3>
          <p>
            {refused === samples_total ? "All" : refused} {refused === 1 ? "sample" : "samples"} of the first hundred rows
            would be refused:
          </p>
          <ul className="problems">
            {refusals.map((refusal, at) => (
              <li key={at}>{refusal}</li>
            ))}
          </ul>
        </div>
      )}
      {skipped > 0 && (
        <>
          <h3>Skipped</h3>
          <p>
            {skipped} {skipped === 1 ? "row or cell" : "rows or cells"} of the first hundred rows would be skipped:
          </p>
          <ul className="problems" data-testid="skipped">
            {problems.map((problem, at) => (
              <li key={at}>{problem}</li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

function SampleTable({ samples }: Pick<Preview, "samples">) {
  return (
    <table className="plain" data-testid="first-samples">
      <thead>
        <tr>
          <th scope="col">Time</th>
          <th scope="col">KPI</th>
          <th scope="col" className="number">
            Value
          </th>
        </tr>
      </thead>
      <tbody>
        {samples.map(({ kpi, labels, time, value }, at) => (
          <tr key={at}>
            <td>{utcText(time)}</td>
            <td>
              {kpi} <span className="labels">{labelsText(labels)}</span>
            </td>
            <td className="number">{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** With a capital letter and a full stop. */
function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, "")}.`;
}
