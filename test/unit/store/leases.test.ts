import { describe, expect, test } from 'vitest';
import { tempStore } from './temp-store.ts';

describe('leases', () => {
  test('shared ones go together, exclusive ones alone', () => {
    const { open } = tempStore();
    const [one, two] = [open(), open()];
    const a = one.leases.tryHold('k', 'shared');
    const b = two.leases.tryHold('k', 'shared');
    expect(a && b).toBeTruthy();
    expect(two.leases.tryHold('k', 'exclusive')).toBeNull();
    expect(two.leases.tryHold('other', 'exclusive')).not.toBeNull();
    a?.[Symbol.dispose]();
    b?.[Symbol.dispose]();
    const c = one.leases.tryHold('k', 'exclusive');
    expect(c).not.toBeNull();
    expect(two.leases.tryHold('k', 'shared')).toBeNull();
    expect(one.leases.tryHold('k', 'shared')).toBeNull();
  });

  test('end with their process', () => {
    const { open } = tempStore();
    const [one, two] = [open(), open()];
    one.leases.tryHold('k', 'exclusive');
    one[Symbol.dispose]();
    expect(two.leases.tryHold('k', 'exclusive')).not.toBeNull();
  });

  test('hold waits', async () => {
    const { open } = tempStore();
    const [one, two] = [open(), open()];
    const order: string[] = [];
    const first = await one.leases.hold('k', 'exclusive');
    const second = two.leases.hold('k', 'exclusive').then((lease) => {
      order.push('second');
      return lease;
    });
    await new Promise((done) => setTimeout(done, 30));
    order.push('released');
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    (await second)[Symbol.dispose]();
    expect(order).toEqual(['released', 'second']);
  });
});
