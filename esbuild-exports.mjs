/** Exports of esbuild's CommonJS chunks, made cheap: a call from one chunk into another passed two getters. */

/** How esbuild begins a chunk: helpers, those for exports first; then the exports, each a getter behind another getter. */
const HELPERS =
  /^(?:var [^;]*?=Object\.[^;]*;)+var [\w$]+=\([^)]*\)=>\{for\(var [^;]*\},[\w$]+=\([^)]*\)=>\{if\([^;]*;return \w+\};var (?:([\w$]+)=\([^)]*\)=>\([^;]*\),)?[\w$]+=[^;]*"__esModule"[^;]*;/;
const EXPORTS = /var ([\w$]+)=\{\};[\w$]+\(\1,\{([^{}]*)\}\);module\.exports=[\w$]+\(\1\);/;

/** What esbuild leaves for readers of CommonJS. */
const ANNOTATION = /;?0&&\(module\.exports=\{[^{}]*\}\);?$/;

/**
 * The chunk with its exports as plain properties, which cost nothing to call through. What is assigned more than once
 * keeps a getter; functions are there from the first line on, for chunks that load each other.
 */
export function plainExports(code) {
  const [statement, , list] = EXPORTS.exec(code) ?? [];
  if (statement === undefined) return code;
  const [helpers, importer] = HELPERS.exec(code) ?? [''];
  const rest = code.replace(statement, '').slice(helpers.length).replace(ANNOTATION, '');
  const isUsed = importer !== undefined && rest.includes(`${importer}(`);
  const first = [];
  const last = [];
  for (const pair of list.split(',').filter(Boolean)) {
    const [key, local] = pair.split(':()=>');
    const name = local.replaceAll('$', '\\$');
    const assignments = new RegExp(
      `(?<![\\w$.])${name}(?:=(?![=>])|\\+\\+|--|[-+*/%&|^?<>]{1,3}=(?!=))`,
      'g',
    );
    const assigned = rest.match(assignments)?.length ?? 0;
    const isFunction = new RegExp(`function\\*? ?${name}\\(`).test(rest);
    const isClass = new RegExp(`class ${name}(?![\\w$])`).test(rest);
    if (isFunction && assigned === 0) first.push(`exports.${key}=${local};`);
    else if (isClass ? assigned === 0 : assigned === 1) last.push(`exports.${key}=${local};`);
    else first.push(`Object.defineProperty(exports,"${key}",{get:()=>${local},enumerable:!0});`);
  }
  return `${isUsed ? helpers : ''}${first.join('')}${rest};${last.join('')}`;
}
