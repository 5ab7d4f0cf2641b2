import { Complaint } from './errors.ts';

const PROTOCOLS = ['tcp', 'udp', 'sctp'];

/**
 * What EXPOSE declares as single ports (`8000-8001/tcp` is two), in the order BuildKit lists them: by the text of the
 * specification. Host parts (`127.0.0.1:80:8080`) are dropped. Throws a Complaint.
 */
export function exposedPorts(specifications: readonly string[]): string[] {
  return [...specifications].sort().flatMap(portsOf);
}

function portsOf(specification: string): string[] {
  const { ports, protocol } = splitPort(specification);
  if (!PROTOCOLS.includes(protocol.toLowerCase())) {
    throw wrong(specification, `invalid proto: ${protocol}`);
  }
  const [, from = '', to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(ports) ?? [];
  const [first, last] = [Number(from), Number(to)];
  if (from === '' || last > 65_535) throw wrong(specification, `invalid containerPort: ${ports}`);
  if (last < first) throw wrong(specification, `invalid range: ${ports} runs backwards`);
  const host = hostPorts(specification);
  if (host !== undefined && host !== 1 && host !== last - first + 1 && last !== first) {
    throw wrong(specification, 'the ranges are not of one length');
  }
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol.toLowerCase()}`);
}

/** The container's part of `[[ip:]host:]container[/protocol]`. */
export function splitPort(specification: string): { ports: string; protocol: string; hasHost: boolean } {
  const slash = specification.lastIndexOf('/');
  const address = slash < 0 ? specification : specification.slice(0, slash);
  const colon = address.lastIndexOf(':');
  const protocol = slash < 0 ? 'tcp' : specification.slice(slash + 1);
  return {
    ports: address.slice(colon + 1),
    protocol: protocol === '' ? 'tcp' : protocol,
    hasHost: colon >= 0,
  };
}

/** How many host ports a mapping names; undefined without one. */
function hostPorts(specification: string): number | undefined {
  const [, from, to = from] = /(?:^|:)(\d{1,5})(?:-(\d{1,5}))?:[^:]*$/.exec(specification) ?? [];
  return from === undefined ? undefined : Number(to) - Number(from) + 1;
}

function wrong(specification: string, why: string): Complaint {
  return new Complaint(`invalid port ${JSON.stringify(specification)}: ${why}`, {
    near: specification,
    hint: 'EXPOSE takes ports and ranges: 80, 53/udp, 8000-8003/tcp',
  });
}
