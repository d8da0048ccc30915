import { expect, it } from 'vitest';
import { before, Clock, readCast, readSize, timecode } from './cast';

it('keeps only what can be played, in order of time', () => {
  const cast = readCast({ version: 2, width: 100, height: 1e9, timestamp: 7 }, [[0.5, 'o', 'a'], 'x', [1, 'i', 'typed'], [0.2, 'o', 'late'], [2, 'o', 5], [3, 'r', '90x30'], [Infinity, 'o', 'z'], null]);
  expect(cast.events).toEqual([{ at: 0.5, kind: 'o', data: 'a' }, { at: 1, kind: 'o', data: 'late' }, { at: 3, kind: 'r', data: '90x30' }]);
  expect([cast.cols, cast.rows, cast.duration, cast.starts]).toEqual([100, 120, 3, 7000]);
  expect(readCast({}, []).cols).toBe(80);
  expect(readCast({ width: 0, height: 0 }, []).cols).toBe(80);
});

it('skips silence and finds the way back', () => {
  const cast = readCast({}, [[0, 'o', 'a'], [1, 'o', 'b'], [101, 'o', 'c'], [102, 'o', 'd']]);
  const clock = new Clock(cast, 1.5);
  expect(clock.length).toBe(3.5);
  expect(clock.toPlay(101)).toBe(2.5);
  expect(clock.toReal(2.5)).toBe(101);
  expect(clock.toReal(clock.toPlay(51))).toBeCloseTo(51);
  expect(new Clock(cast, Infinity).length).toBe(102);
  expect(new Clock(readCast({}, []), 1).length).toBe(0);
});

it('finds places and names times', () => {
  expect(before([0, 1, 5], 4.9)).toBe(1);
  expect(readSize('120x40')).toEqual([120, 40]);
  expect(readSize('9999x9999')).toEqual([300, 120]);
  expect(readSize('rm -rf')).toBeNull();
  expect([timecode(64), timecode(3729)]).toEqual(['1:04', '1:02:09']);
});
