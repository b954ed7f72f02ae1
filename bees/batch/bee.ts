import { Type } from 'typebox'
import { defineBee } from '../define-bee.ts'

export default defineBee({
  type: 'batch',
  role: 'batch',
  summary: 'Gathers rows for the bees that read it: each fills batches of its own.',
  delivery: 'A batch lives in memory only. After a crash its records are read again and batched anew.',
  spec: Type.Object(
    {
      batch_size: Type.Integer({ minimum: 1, maximum: 10_000, description: 'Rows at most.' }),
      timeout_seconds: Type.Number({ minimum: 0, maximum: 3600, description: 'How long the oldest row may wait for others.' }),
      release: Type.Optional(
        Type.Enum(['idle', 'full'], {
          description: 'idle (the default): closed as soon as the bee it feeds is idle. full: only when full or timed out.',
        }),
      ),
    },
    { additionalProperties: false, required: ['batch_size', 'timeout_seconds'] },
  ),
  examples: [{ batch_size: 10, timeout_seconds: 0.1 }],
  batch: ({ batch_size, timeout_seconds, release }) => ({
    size: batch_size,
    timeoutMs: timeout_seconds * 1000,
    release: release === 'full' ? 'full' : 'idle',
  }),
})
