/** How a file is understood: its form, columns, first samples, and what would be skipped. */

import { Fact } from "../../components/fact.tsx";
import { counted, whole } from "../../format/count.ts";
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
      <More shown={MAX_COLUMNS} all={columns.length} />
      <h3>First samples</h3>
      {samples_total === 0 ? (
        <p role="alert">The first hundred rows have no sample that can be imported.</p>
      ) : (
        <SampleTable samples={samples.slice(0, SHOWN)} />
      )}
      <More shown={SHOWN} all={samples_total} />
      {refused > 0 && (
        <div role="alert" data-testid="refused">
          <h3>Refused</h3>
          <p>
            {refused === samples_total && refused > 1 ? "All samples" : counted(refused, "sample", "samples")} of the
            first hundred rows would be refused:
          </p>
          <ul className="problems">
            {refusals.map((refusal, at) => (
              <li key={at}>{refusal}</li>
            ))}
          </ul>
          <More shown={refusals.length} all={refused} />
        </div>
      )}
      {skipped > 0 && (
        <>
          <h3>Skipped</h3>
          <p>
            {counted(skipped, "row or cell", "rows or cells")} of the first hundred rows would be skipped:
          </p>
          <ul className="problems" data-testid="skipped">
            {problems.map((problem, at) => (
              <li key={at}>{problem}</li>
            ))}
          </ul>
          <More shown={problems.length} all={skipped} />
        </>
      )}
    </>
  );
}

/** Says how many of a list are not shown. */
function More({ shown, all }: { shown: number; all: number }) {
  return all > shown ? <p className="muted">and {whole(all - shown)} more</p> : null;
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
