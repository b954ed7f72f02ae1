import assert from 'node:assert/strict'
import { it } from 'node:test'
import { batchBytesOf, RecordBatchWriter } from '../../../../../connectors/log/kafka/wire/record-batch-writer.ts'
import { RefusedSizes } from '../../../../../connectors/log/kafka/writing/refused-sizes.ts'
import type { ProducerRecord } from '../../../../../processor/ports.ts'
import { SimulatedClock } from '../../../../../processor/simulation/simulated-clock.ts'
import { textHeader } from '../../../../../topology/record.ts'

const record = (length: number, topic = 'out'): ProducerRecord => ({
  topic,
  partition: 0,
  key: Buffer.from('key'),
  value: Buffer.alloc(length),
  timestamp: 7,
  headers: [textHeader('name', 'value')],
})

it('After a topic has refused a record, records of at least that size are refused at once for a minute', () => {
  const clock = new SimulatedClock()
  const sizes = new RefusedSizes(clock)
  sizes.check(record(1000))
  sizes.add('out', batchBytesOf(record(1000)))
  assert.throws(() => sizes.check(record(1000)), { code: 'WAGGLE_RECORD_TOO_LARGE', message: /to out: the topic has just refused/ })
  assert.throws(() => sizes.check(record(1001)), { code: 'WAGGLE_RECORD_TOO_LARGE' })
  sizes.check(record(999))
  sizes.check(record(1000, 'other'))
  void clock.advance(60_000)
  return clock.settle().then(() => sizes.check(record(1000)))
})

it('The computed size of a batch of one record is its real size, even if some of its fields are null', () => {
  for (const one of [
    record(0),
    record(1),
    record(70_000),
    { ...record(1), key: null },
    { ...record(1), value: null },
    { ...record(1), headers: [] },
  ]) {
    const writer = new RecordBatchWriter()
    writer.append(one, 1_000_000)
    assert.equal(writer.size, batchBytesOf(one))
  }
})
