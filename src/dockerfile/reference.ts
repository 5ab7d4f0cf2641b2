const COMPONENT = '[a-z0-9]+(?:(?:[.]|__?|-+)[a-z0-9]+)*';
const DOMAIN_PART = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = `(?:${DOMAIN_PART}(?:[.]${DOMAIN_PART})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const FORM = new RegExp(
  `^(?:${DOMAIN}/)?${COMPONENT}(?:/${COMPONENT})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[a-z0-9+.-]+:[a-fA-F0-9]{32,})?$`,
);
/** Places that are no names: `oci:PATH:TAG`, `docker://HOST/NAME`. */
const LOCATION =
  /^(?:docker:\/\/|(?:docker-archive|docker-daemon|dir|oci|oci-archive|containers-storage):)[^\s]+$/;
const LONGEST = 512;

/** Whether FROM could name an image, or a place of one, so. Only the form is looked at (distribution's grammar of references). */
export function isImageName(text: string): boolean {
  if (LOCATION.test(text)) return true;
  return text.length <= LONGEST && FORM.test(text) && !/^[0-9a-f]{64}$/.test(text);
}

/** One spelling for all names of an image: `alpine`, `docker.io/library/alpine:latest` → `alpine:latest`. */
export function familiarName(text: string): string {
  if (LOCATION.test(text)) return text;
  const name = text.replace(/^(?:index\.)?docker\.io\//, '').replace(/^library\//, '');
  const isTagged = name.includes('@') || name.lastIndexOf(':') > name.lastIndexOf('/');
  return isTagged ? name : `${name}:latest`;
}
