import { BldError } from '../../base/errors.ts';
import { log } from '../../base/log.ts';
import { locationOf } from '../build/deliver.ts';
import type { BuildOptions } from '../build/types.ts';
import type { PushRequest } from '../images.ts';

/**
 * The options of a build whose result carries attestations. An index is made once, in OCI's format, for all places that
 * it goes to: E_UNSUPPORTED for places that take no index, and for those that want different forms.
 */
export function attestable(options: BuildOptions): BuildOptions {
  const { destinations = [], pushed = [], commit = {} } = options;
  if (options.cacheOnly) return { ...options, provenance: undefined, sbom: undefined };
  for (const { location } of destinations) {
    const { transport } = locationOf(location);
    if (transport !== 'docker-archive' && transport !== 'docker-daemon') continue;
    throw new BldError('E_UNSUPPORTED', `${transport} takes one image, without attestations`, {
      hint: 'write an OCI archive, or leave --provenance, --sbom and --attest out',
    });
  }
  const [form = {}, ...others]: PushRequest[] = [...destinations, ...pushed];
  const text = ({ format, compression, level, force }: PushRequest) =>
    JSON.stringify([format, compression, level, force]);
  if (others.some((other) => text(other) !== text(form))) {
    throw new BldError('E_UNSUPPORTED', 'an image with attestations has one form for all of its outputs', {
      hint: 'give all outputs the same compression and oci-mediatypes',
    });
  }
  if ((form.format ?? commit.format) === 'docker') {
    log.warn(
      "attestations stand beside images in OCI's format alone: Docker's, which was asked for, is not used",
    );
  }
  const plain = ({ format: _, ...rest }: PushRequest): PushRequest => rest;
  const { compression, level, force } = form;
  return {
    ...options,
    destinations: destinations.map((one) => ({ ...plain(one), location: one.location })),
    pushed: pushed.map((one) => ({ ...plain(one), name: one.name, byDigest: one.byDigest })),
    commit: {
      ...commit,
      format: 'oci',
      ...(compression !== undefined && { compression }),
      ...(level !== undefined && { compressionLevel: level }),
      ...(force !== undefined && { forceCompression: force }),
    },
  };
}
