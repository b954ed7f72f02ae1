import assert from 'node:assert/strict'
import { it } from 'node:test'
import { unclearTextsIn } from '../../../ops/check/error-texts.ts'

const found = (source: string) => unclearTextsIn('a.ts', source).map(({ line, text }) => `${line} ${text}`)

it('The check of error texts finds a text that begins with a pronoun, with its line', () => {
  for (const word of ['It', 'He', 'She', 'They', 'This one', 'What', 'Who', 'Whoever']) {
    assert.deepEqual(found(`throw new WaggleError('WAGGLE_CLOSED', {\n  message: '${word} was closed',\n})`), [`2 ${word} was closed`])
    assert.deepEqual(found(`x = { next: \`${word} waits\` }`), [`1 ${word} waits`])
    assert.deepEqual(found(`x = { meaning:\n  "${word} waits" }`), [`1 ${word} waits`])
  }
})

it('The check of error texts finds "is no …" and "are no …" anywhere in a text', () => {
  assert.deepEqual(found("x = { message: 'The id is no UUID' }"), ['1 The id is no UUID'])
  assert.deepEqual(found("x = { next: 'Drop it: the bytes are no tensors' }"), ['1 Drop it: the bytes are no tensors'])
})

it('The check of error texts finds a next step that does not name the thing to correct, also as an argument or a default value', () => {
  for (const pronoun of ['it', 'this', 'that', 'them']) {
    assert.deepEqual(found(`x = {\n  next: 'Correct ${pronoun}.' }`), [`2 Correct ${pronoun}.`])
    assert.deepEqual(found(`add(\n  here,\n  \`Correct ${pronoun}, or the path.\`)`), [`3 Correct ${pronoun}, or the path.`])
    assert.deepEqual(found(`wrong(next = "Correct ${pronoun}") {}`), [`1 Correct ${pronoun}`])
  }
})

it('The check of error texts accepts a text with a subject, and other strings', () => {
  assert.deepEqual(found("x = { message: 'There is no topic t', next: 'Items: it waits' }"), [])
  assert.deepEqual(found("x = { next: 'Correct items of the schema.' }"), [])
  assert.deepEqual(found("x = { message: 'The topic is no longer there', next: 'Nothing: it is read again.' }"), [])
  assert.deepEqual(found("// It is a message.\nconst other = 'It is no message'"), [])
})
