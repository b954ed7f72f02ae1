import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Progress } from './progress.ts'

it('A recovery from a kill is over when every part has returned a result for a request sent after the kill', () => {
  let now = 1000
  const progress = new Progress({ parts: ['a', 'b'], now: () => now })
  now = 1500
  progress.killed('broker')
  now = 2000
  progress.came('a', 1600)
  progress.came('b', 1400)
  assert.deepEqual([progress.recoveries, progress.waitedFor], [[], ['b']])
  now = 4500
  progress.came('b', 1500)
  assert.deepEqual([progress.recoveries, progress.waitedFor], [[{ of: 'broker', ms: 3000 }], []])
})

it('The longest stop of a part is measured, even if the stop is not over', () => {
  let now = 0
  const progress = new Progress({ parts: ['a', 'b'], now: () => now })
  for (now = 100; now <= 1000; now += 100) progress.came('a', now)
  assert.deepEqual(progress.standing, { ms: now, part: 'b', beganAtMs: 0 })
  progress.came('b', now)
  assert.deepEqual(progress.longestStop, { ms: 1100, part: 'b', beganAtMs: 0 })
  now = 3000
  assert.deepEqual(progress.longestStop, { ms: 2000, part: 'a', beganAtMs: 1000 })
})
