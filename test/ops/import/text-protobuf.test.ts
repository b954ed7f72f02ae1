import assert from 'node:assert/strict'
import { it } from 'node:test'
import { readTextProtobuf } from '../../../ops/import/text-protobuf.ts'

it('A text protobuf with one long line is read in a time proportional to its length, and each field has its place', () => {
  const field = `a: "${'x'.repeat(50)}" `
  const cpu = process.cpuUsage()
  const { fields } = readTextProtobuf(field.repeat(90_000), 'long.pbtxt')
  const { user } = process.cpuUsage(cpu)
  assert.equal(fields.at(-1)?.place, `long.pbtxt:1:${89_999 * field.length + 1}`)
  assert.equal(readTextProtobuf('a: 1\n\n  b: 2', 'lines.pbtxt').fields[1]?.place, 'lines.pbtxt:3:3')
  assert.ok(user < 4e6, `${user / 1e6} s`)
})
