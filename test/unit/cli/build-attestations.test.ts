import { describe, expect, test } from 'vitest';
import { attestationsOf, toldProvenance } from '../../../src/cli/build-attestations.ts';

const provenanceOf = (provenance: string | undefined, attest: readonly string[]) =>
  attestationsOf({ provenance, attest }).provenance;
const sbomOf = (sbom: string | undefined, attest: readonly string[] = []) =>
  attestationsOf({ sbom, attest }).sbom;

describe('--provenance, --sbom and --attest', () => {
  test('one flag says all, with defaults for the rest', () => {
    expect(provenanceOf('true', [])).toMatchObject({ mode: 'max', version: 'v1' });
    expect(provenanceOf('mode=min,version=v0.2,builder-id=https://ci.example/1', [])).toMatchObject({
      mode: 'min',
      version: 'v0.2',
      builderId: 'https://ci.example/1',
    });
    expect(provenanceOf('reproducible=true,inline-only=1,filename=p.json', [])).toMatchObject({
      reproducible: true,
      inlineOnly: true,
      filename: 'p.json',
    });
    expect(provenanceOf(undefined, ['type=provenance,mode=min'])).toMatchObject({ mode: 'min' });
  });

  test.each(['false', '0', 'disabled=true', 'mode=max,disabled', ''])('%j attests nothing', (text) => {
    expect(provenanceOf(text, [])).toBeUndefined();
  });

  test('the first --attest counts, and before --provenance', () => {
    const attest = ['type=provenance,mode=min', 'type=provenance,mode=max'];
    expect(provenanceOf('mode=max', attest)?.mode).toBe('min');
    expect(provenanceOf('false', attest)?.mode).toBe('min');
    expect(provenanceOf('true', ['type=provenance,disabled=true'])).toBeUndefined();
  });

  test.each([
    ['foo', []],
    ['mode=mid', []],
    ['version=v3', []],
    ['mode=max,foo=bar', []],
    ['true,mode=max', []],
    ['disabled=maybe', []],
    ['filename=../x', []],
    ['filename=..', []],
    [undefined, ['mode=max']],
    [undefined, ['provenance']],
  ] as const)('%j with --attest %j is a mistake', (text, attest) => {
    expect(() => provenanceOf(text, attest)).toThrow(expect.objectContaining({ code: 'E_USAGE' }));
  });

  test('a scanner, by any of the flags', () => {
    expect(sbomOf('true')?.generator).toMatch(/^docker\.io\//);
    expect(sbomOf('generator=example.com/s:1')).toEqual({ generator: 'example.com/s:1' });
    expect(sbomOf(undefined, ['type=sbom,generator=s', 'type=provenance'])).toEqual({ generator: 's' });
    expect(sbomOf('true', ['type=sbom,disabled=true'])).toBeUndefined();
    expect(sbomOf('false')).toBeUndefined();
    expect(attestationsOf({ sbom: 'true', attest: [] }).provenance).toBeUndefined();
    for (const text of ['syft', 'generator=s,mode=max'])
      expect(() => sbomOf(text)).toThrow(expect.objectContaining({ code: 'E_USAGE' }));
  });

  test('other types are not provided', () => {
    const unsupported = expect.objectContaining({ code: 'E_UNSUPPORTED' });
    expect(() => provenanceOf(undefined, ['type=other'])).toThrow(unsupported);
  });

  test('the metadata file tells as much as buildx would', () => {
    expect([undefined, '', 'min', 'max', 'disabled'].map(toldProvenance)).toEqual([
      'short',
      'short',
      'short',
      'all',
      undefined,
    ]);
  });
});
