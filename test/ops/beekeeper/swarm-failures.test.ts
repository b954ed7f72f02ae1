import assert from 'node:assert/strict'
import { it } from 'node:test'
import { swarmFailures } from '../../../ops/beekeeper/swarm-failures.ts'
import { headerText } from '../../../topology/record.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

it('A swarm tries a record three times before it makes a dead letter of it, each record for itself', () => {
  const { processing, deadLetters } = swarmFailures('teddy')
  const error = new WaggleError('WAGGLE_PROCESSING_FAILED', { message: 'No.', next: 'Look.' })
  const failed = (key: string) => ({
    key,
    value: null,
    timestamp: 0,
    headers: [],
    topic: 'in',
    partition: 1,
    offset: 7n,
    node: 'join',
    taskId: '0_1',
  })
  assert.deepEqual(
    ['a', 'a', 'b', 'a', 'a'].map((key) => processing(error, failed(key))),
    ['fail', 'fail', 'fail', 'resume', 'fail'],
  )
  // Many that go well at their second try push out the oldest, and nothing else.
  for (let at = 0; at < 20_000; at++) processing(error, failed(`once-${at}`))
  assert.equal(processing(error, failed('once-19999')), 'fail')
  assert.equal(processing(error, failed('once-19999')), 'resume')
  for (const answer of ['fail', 'fail', 'resume']) assert.equal(processing(error, failed('a')), answer, 'begun anew')
  assert.equal(deadLetters?.topic, 'waggle.teddy.dead-letters')
  const headers = deadLetters?.headers(error, failed('a')) ?? []
  assert.deepEqual(
    ['bee', 'code', 'detail', 'topic', 'partition', 'offset'].map((name) => headerText(headers, `waggle-dead-letter-${name}`)),
    ['join', 'WAGGLE_PROCESSING_FAILED', 'No. Look.', 'in', '1', '7'],
  )
})
