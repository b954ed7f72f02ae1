import { Type } from 'typebox'
import type { BatchPolicy } from '../../topology/async-step.ts'
import { defineBee } from '../define-bee.ts'

const size = { description: 'Rows at most.' }
const timeout = { description: 'How long the oldest row may wait for others.' }

export default defineBee({
  type: 'batch',
  role: 'batch',
  summary: 'Gathers rows for the bees that read it: each fills batches of its own.',
  delivery: 'A batch lives in memory only. After a crash its records are read again and batched anew.',
  spec: Type.Object(
    {
      batch_size: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, ...size })),
      timeout_seconds: Type.Optional(Type.Number({ minimum: 0, maximum: 3600, ...timeout })),
      target_latency_ms: Type.Optional(
        Type.Number({
          exclusiveMinimum: 0,
          maximum: 3_600_000,
          description:
            'How long a call of the bee should take. Batches are as large as this allows, by the times of earlier calls. With it, batch_size is 64 and timeout_seconds is the same time, unless they are given.',
        }),
      ),
      release: Type.Optional(
        Type.Enum(['idle', 'full'], {
          default: 'idle',
          description: 'idle: closed as soon as the bee it feeds is idle. full: only when full or timed out.',
        }),
      ),
    },
    {
      additionalProperties: false,
      if: { required: ['target_latency_ms'] },
      // The description of a missing key comes from this branch of the schema, so the branch repeats the properties.
      else: { required: ['batch_size', 'timeout_seconds'], properties: { batch_size: size, timeout_seconds: timeout } },
    },
  ),
  examples: [{ batch_size: 10, timeout_seconds: 0.1 }, { target_latency_ms: 50 }],
  batch({ batch_size = 64, timeout_seconds, target_latency_ms: targetMs, release = 'idle' }): BatchPolicy {
    const timeoutMs = timeout_seconds === undefined ? (targetMs ?? 0) : timeout_seconds * 1000
    return { size: batch_size, timeoutMs, release, ...(targetMs === undefined ? {} : { targetMs }) }
  },
})
