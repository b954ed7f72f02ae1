import assert from 'node:assert/strict'
import { it } from 'node:test'
import { isChecked, riddlesIn } from '../../../ops/check/comments.ts'

const found = (source: string) => riddlesIn('a.ts', source).map(({ line, text }) => `${line} ${text}`)

it('The comment check finds a comment that begins with a word such as "Of", with its line', () => {
  for (const word of ['Of', 'What', 'Who', 'Whose', 'Whoever', 'Whatever', 'That', 'How', 'Whether', 'Why', 'Which', 'By']) {
    assert.deepEqual(found(`const a = 1\n// ${word} it is.\n`), [`2 // ${word} it is.`])
    assert.deepEqual(found(`/** ${word} it is. */\nconst a = 1\n`), [`1 /** ${word} it is. */`])
    assert.deepEqual(found(`/**\n * ${word} it is.\n */\n`), [`1 * ${word} it is.`])
    assert.deepEqual(found(`const a = 1 // ${word} it is.\n`), [`1 // ${word} it is.`])
  }
})

it('The comment check accepts a comment that begins with a noun, regardless of its later sentences', () => {
  assert.deepEqual(found('// The list of tasks. What they do is theirs.\n'), [])
  assert.deepEqual(found('// A comment of two lines goes on\n// That is no opening.\n'), [])
  assert.deepEqual(found('/** Offsets are numbers. */\n/** Whole numbers. */\n// Thatched roofs.\n'), [])
  assert.deepEqual(found('// Where the log keeps no state, the disk has it.\n// As in Kafka Streams, the key stays.\n'), [])
  assert.deepEqual(found('const url = "http://What"\n'), [])
})

it('The comment check leaves out copies of the contract, and checks all other files', () => {
  assert.equal(isChecked('test/types/contract.d.ts'), false)
  assert.equal(isChecked('test/types/public-api.ts'), true)
  assert.equal(isChecked('connectors/rocksdb/nxtedition-rocksdb.d.ts'), true)
})
