/** What a terminal shows of a text: its width in columns, and its harmless part. */

/** Two columns each: East Asian wide and full-width characters, and what is drawn as emoji (Unicode TR 11). */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{16fe0}-\u{18aff}\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const ZERO = /\p{Mark}|\p{Format}/u;
const ASCII = /^[ -~]*$/;
/** CSI, OSC and other strings, two-character escapes; one that the end cuts off goes too. */
const ESCAPES =
  /\x1b(?:\[[0-?]*[ -/]*(?:[@-~]|$)|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|\x1b|$)|[ -/]*(?:[0-~]|$))/g;
const CONTROLS = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const TAB = 8;

function widthOf(character: string): number {
  if (ZERO.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** The columns that a text without control characters takes. */
export function displayWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += widthOf(character);
  return width;
}

/** At most so many columns of the text, with an ellipsis where something is cut off. */
export function fitted(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let kept = '';
  let width = 1;
  for (const character of text) {
    width += widthOf(character);
    if (width > columns) break;
    kept += character;
  }
  return columns < 1 ? '' : `${kept}…`;
}

/** One line of a program's output as a terminal would end up showing it, without what moves, colours or rings. */
export function plainLine(line: string): string {
  const drawn = line.replace(ESCAPES, '').replace(/\r+$/, '');
  const shown = drawn.slice(drawn.lastIndexOf('\r') + 1).replace(CONTROLS, '');
  return shown.replace(/\t/g, (_, at: number) => ' '.repeat(TAB - (at % TAB))).trimEnd();
}
