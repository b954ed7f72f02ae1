import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FailureLines } from '../../../ops/process-log/failure-lines.ts'
import type { LogFields } from '../../../ops/process-log/log-line.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { Refused, WaggleError } from '../../../topology/waggle-error.ts'

const broken = new WaggleError('WAGGLE_BEE_FAILED', { message: 'no bear', next: 'Send a bear.', cause: new TypeError('no nose') })
const record = {
  key: 'id-1',
  value: null,
  timestamp: 5,
  headers: [],
  topic: 'words',
  partition: 2,
  offset: 9_007_199_254_740_993n,
  node: 'svm',
  taskId: '1_2',
}

function scene() {
  const lines: (LogFields & { module: string; level: string; message: string })[] = []
  const clock = new SimulatedClock()
  const failures = new FailureLines({ clock, say: (module, level, message, fields) => lines.push({ module, level, message, ...fields }) })
  return { lines, clock, failures }
}

describe('A failure in the log of the process', () => {
  it('has swarm, bee, request, code, task, topic, partition, offset, throwing line, next step, and the stacks of its causes', () => {
    const { lines, failures } = scene()
    failures.recordFailed('teddy', broken, record)
    const [{ stack = '', place, ...line } = {} as never] = lines
    assert.match(String(place), /\/failure-lines\.test\.ts:\d+:\d+$/)
    assert.deepEqual(line, {
      module: 'svm',
      level: 'error',
      message: 'no bear',
      swarm: 'teddy',
      request_id: 'id-1',
      code: 'WAGGLE_BEE_FAILED',
      task: '1_2',
      topic: 'words',
      partition: 2,
      offset: '9007199254740993',
      next: 'Send a bear.',
    })
    assert.match(stack, /no bear[\s\S]*Caused by: TypeError: no nose\n\s+at /)
  })

  it('has the level debug for a refusal and the level warn for a deadline', () => {
    const { lines, failures } = scene()
    failures.recordFailed('teddy', new Refused('no'), record)
    failures.recordFailed('teddy', new WaggleError('WAGGLE_DEADLINE', { message: 'late', next: 'Wait.' }), record)
    assert.deepEqual(
      lines.map(({ level }) => level),
      ['debug', 'warn'],
    )
  })

  it('is written at most ten times in ten seconds for each kind, and a later line contains the number of omitted failures', async () => {
    const { lines, clock, failures } = scene()
    for (let at = 0; at < 25; at++) failures.recordFailed('teddy', broken, record)
    failures.recordFailed('teddy', broken, { ...record, node: 'resnet' })
    failures.recordFailed('other', broken, record)
    assert.equal(lines.length, 12)
    await clock.advance(10_000)
    assert.deepEqual(lines.slice(12), [
      {
        module: 'svm',
        level: 'warn',
        message: '15 more failures with WAGGLE_BEE_FAILED were left out of this log',
        swarm: 'teddy',
        code: 'WAGGLE_BEE_FAILED',
        left_out: 15,
      },
    ])
    failures.recordFailed('teddy', broken, record)
    assert.equal(lines.length, 14)
  })

  it('is counted even if the process ends within those ten seconds', () => {
    const { lines, failures } = scene()
    for (let at = 0; at < 11; at++) failures.failed(broken, { module: 'gateway', request_id: `id-${at}` })
    failures.close()
    assert.equal(lines.at(-1)?.left_out, 1)
  })

  it('is written for any value that a bee has thrown', () => {
    const { lines, failures } = scene()
    const hostile = new Proxy(new Error('a'), {
      get() {
        throw new Error('trap')
      },
    })
    failures.failed(new WaggleError('WAGGLE_BEE_FAILED', { message: 'a', next: 'B.', cause: hostile }), { module: 'svm' })
    assert.equal(lines.length, 1)
  })
})
