import assert from 'node:assert/strict'
import { it } from 'node:test'
import { s3Error } from '../../../connectors/objects/s3-error.ts'

it('An error of S3 quotes only the beginning of a message of megabytes', () => {
  for (const field of ['name', 'message'] as const) {
    const thrown = Object.assign(new Error('No'), { [field]: 'x'.repeat(5_000_000), $metadata: { httpStatusCode: 403 } })
    const { message } = s3Error('s3://hive/a.onnx', thrown, new AbortController().signal)
    assert.match(message, /^s3:\/\/hive\/a\.onnx is refused: the store said /)
    assert.ok(message.length < 10_000, `${message.length} characters`)
  }
})
