import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { outputRecord } from '../../../processor/swarm/output-record.ts'
import type { SendReason } from '../../../topology/async-step.ts'
import { headerText, textHeader } from '../../../topology/record.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import { batchSizeHeader, sentHeader, traceParentHeader } from '../../../topology/swarm/request/headers.ts'

describe('The record of a bee’s output', () => {
  const value: Payload = { kind: 'json', json: 1 }
  const made = (reason: SendReason) => {
    const headers = [textHeader(traceParentHeader, '00-1-2-01'), textHeader(sentHeader, 'timeout'), textHeader(batchSizeHeader, '7')]
    return outputRecord({ key: 'r', value, timestamp: 1, headers }, value, { startedAt: 1, finishedAt: 2, batchSize: 3, reason, attempts: 1 }).headers
  }

  it('has the size of its own batch and the reason for which that batch was sent, not those of an earlier bee', () => {
    for (const reason of ['full', 'timeout', 'deadline', 'idle'] as const) {
      const headers = made(reason)
      assert.deepEqual(
        headers.filter(({ key }) => key === sentHeader),
        [textHeader(sentHeader, reason)],
      )
      assert.equal(headerText(headers, batchSizeHeader), '3')
      assert.equal(headerText(headers, traceParentHeader), '00-1-2-01')
    }
  })

  it('has no reason if its row was sent alone', () => {
    assert.equal(headerText(made('alone'), sentHeader), null)
  })
})
