interface Props {
  readonly caption: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A value, with its spread below it: `0.41 (0.38–0.44) s`. */
function Cell({ text }: { readonly text: string }) {
  const [, value, spread, unit = ''] = /^(\S+(?: \S+)?) (\([^)]*\d[^)]*\))(.*)$/.exec(text) ?? [];
  if (value === undefined) return <td>{text}</td>;
  return (
    <td>
      {value + unit}
      <br />
      <span class="soft">{spread}</span>
    </td>
  );
}

/** A table that scrolls by itself where it is wider than the page. */
export function TextTable({ caption, head, rows }: Props) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>{head.map((title) => (title === '' ? <td /> : <th scope="col">{title}</th>))}</tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr>
              {row.map((cell, i) => (i === 0 ? <th scope="row">{cell}</th> : <Cell text={cell} />))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
