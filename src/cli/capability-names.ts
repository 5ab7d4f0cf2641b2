/** What a container's commands have unless told otherwise; a test holds it equal to the runtime's own list. */
const DEFAULT =
  'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT';

function bare(name: string): string {
  return name.trim().toUpperCase().replace(/^CAP_/, '');
}

/** `CAP_…` names after `--cap-add` and `--cap-drop`, sorted, as `inspect` shows them. */
export function capabilityNames(add: readonly string[], drop: readonly string[]): readonly string[] {
  const dropped = new Set(drop.map(bare));
  const start = dropped.has('ALL') ? [] : DEFAULT.split(' ');
  const names = new Set([...start, ...add.map(bare)]);
  return [...names]
    .filter((name) => !dropped.has(name))
    .sort()
    .map((name) => `CAP_${name}`);
}
