import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { headerText, type Record } from '../../../../topology/record.ts'
import type { Serde } from '../../../../topology/serde.ts'
import { Serdes } from '../../../../topology/serdes.ts'
import type { Payload } from '../../../../topology/swarm/payload/payload.ts'
import { payloadHeaders } from '../../../../topology/swarm/payload/payload-serde.ts'
import { markedPrediction, type PredictionRecord, predictionSerde } from '../../../../topology/swarm/payload/prediction-serde.ts'
import { Unavailable } from '../../../../topology/waggle-error.ts'

const opened: string[] = []
/** A stand-in for Avro. Its bytes begin with a zero. No JSON text does. */
const fakeAvro: Serde<PredictionRecord> = {
  open: async ({ topic, part }) => void opened.push(`${topic} ${part}`),
  prepare: (_, data) => (data[0] === 0 ? Promise.reject(new Error('nobody knows this schema')) : null),
  serialize: (topic, value) => Buffer.concat([Buffer.of(0), Serdes.json<PredictionRecord>().serialize(topic, value)]),
  deserialize: (topic, data) => Serdes.json<PredictionRecord>().deserialize(topic, data.subarray(1)),
}
const serde = predictionSerde(fakeAvro, new Set(['models']))

function recordOf(value: Payload): Record<unknown, Payload> {
  return markedPrediction({ key: 'id', value, timestamp: 0, headers: payloadHeaders(value) }) as Record<unknown, Payload>
}

function written(value: Payload): { readonly first: number; readonly read: Payload; readonly contentType: string | null } {
  const { headers } = recordOf(value)
  const data = serde.serialize('models', value, headers)
  return { first: data[0] ?? -1, read: serde.deserialize('models', data, headers), contentType: headerText(headers, 'content-type') }
}

describe('A payload with a schema registry', () => {
  it('is written in the registry’s encoding if it is a prediction, with a header that says so', () => {
    const payload: Payload = { kind: 'json', json: { label: 'teddy', scores: { teddy: 0.9, bear: 0.1 }, model: 'm', box: [1, 2], note: null } }
    assert.deepEqual(written(payload), { first: 0, read: payload, contentType: 'application/vnd.waggle.prediction+avro' })
  })

  it('is written in its usual encoding if it is not a prediction', () => {
    const others: readonly Payload[] = [
      { kind: 'json', json: { label: 'teddy' } },
      { kind: 'json', json: { label: 'teddy', scores: [0.1, 0.9] } },
      { kind: 'json', json: { label: 'teddy', scores: { teddy: 'high' } } },
      { kind: 'json', json: { label: 'teddy', scores: {}, model: 3 } },
      { kind: 'json', json: null },
      { kind: 'error', error: { code: 'WAGGLE_BEE_FAILED', status: 502, title: 'A bee failed', detail: '', bee: 'b' } },
    ]
    for (const payload of others) {
      const { first, read, contentType } = written(payload)
      assert.deepEqual([read, contentType], [payload, 'application/json'])
      assert.notEqual(first, 0)
    }
  })

  it('is read as JSON if it was written without a registry', () => {
    const payload: Payload = { kind: 'json', json: { label: 'teddy', scores: { teddy: 1 } } }
    assert.deepEqual(serde.deserialize('models', Buffer.from(JSON.stringify(payload.json)), payloadHeaders(payload)), payload)
  })

  it('gets a schema only for topics of models', async () => {
    for (const topic of ['models', 'dead-letters', null]) await serde.open?.({ topic, part: 'value' })
    assert.deepEqual(opened, ['models value'])
  })

  it('is left unchanged if it only resembles Avro, and becomes an error of its request if it cannot be read', async () => {
    const tensors = Buffer.of(0, 1, 2)
    await serde.prepare?.('models', tensors)
    assert.equal(serde.prepare?.('others', tensors), null)
    const { headers } = recordOf({ kind: 'json', json: { label: 'teddy', scores: {} } })
    const read = serde.deserialize('models', Buffer.of(0, 1, 2), headers)
    assert.equal(read.kind === 'error' && read.error.code, 'WAGGLE_BAD_PAYLOAD')
  })

  it('waits while the registry is away', async () => {
    const error = new Unavailable('WAGGLE_REGISTRY_UNREACHABLE', { message: 'away', next: 'Wait.' })
    const throwing = () => {
      throw error
    }
    const away = predictionSerde({ ...fakeAvro, prepare: () => Promise.reject(error), deserialize: throwing }, new Set(['models']))
    await assert.rejects(away.prepare?.('models', Buffer.of(0)) ?? Promise.resolve(), error)
    const { headers } = recordOf({ kind: 'json', json: { label: 'teddy', scores: {} } })
    assert.throws(() => away.deserialize('models', Buffer.of(0), headers), error)
  })
})
