import { expect, test } from 'vitest';
import type { FleetReport } from '../api/types';
import { told } from './fleet';

const none: FleetReport = { added: [], changed: [], unchanged: [], removed: [], failed: [], warnings: [], postponed: [], repaired: [], plan: [], inserted: 0, deleted: 0 };

test('a report is a sentence', () => {
  expect(told(none)).toEqual({ text: 'Nothing had to be done.', bad: false });
  expect(told({ ...none, added: ['a', 'b'], failed: [{ name: 'c', reason: 'no room' }] })).toEqual({ text: 'Added: a, b. Failed: c (no room).', bad: true });
  expect(told({ ...none, changed: ['1', '2', '3', '4', '5', '6', '7'] }).text).toBe('Changed: 1, 2, 3, 4, 5, 6 and 1 more.');
});
