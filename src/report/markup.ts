/** Text of HTML or SVG that is safe to put into a page as it is. */
export class Markup {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }

  toString(): string {
    return this.source;
  }
}

/** What a template takes: markup as it is, text and numbers escaped, nothing for null. */
export type Content = Markup | string | number | null | readonly Content[];

/** ``markup`<b>${name}</b>` ``: the template's own text as it stands, every value escaped. */
export function markup(parts: TemplateStringsArray, ...values: readonly Content[]): Markup {
  const rest = values.map((value, i) => sourceOf(value) + (parts[i + 1] ?? ''));
  return new Markup((parts[0] ?? '') + rest.join(''));
}

function sourceOf(value: Content): string {
  if (value === null) return '';
  if (value instanceof Markup) return value.source;
  if (typeof value === 'string') return escapeText(value);
  if (typeof value === 'number') return String(value);
  return value.map(sourceOf).join('');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text for an element or a quoted attribute; characters that XML forbids become `�`. */
export function escapeText(text: string): string {
  return (
    text
      // oxlint-disable-next-line no-control-regex -- they are what is meant
      .replaceAll(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/g, '�')
      .replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
  );
}
