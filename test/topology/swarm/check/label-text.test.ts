import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { labelsOfLines, labelsOfText } from '../../../../topology/swarm/check/label-text.ts'

describe('Labels in a model’s metadata', () => {
  for (const [how, text] of [
    ['a JSON list', '["cat", "dog, small"]'],
    ['a JSON object by position', '{"1": "dog, small", "0": "cat"}'],
    ['a Python list', `['cat', "dog, small"]`],
    ['a Python tuple', `('cat', 'dog, small',)`],
    ['a Python dict by position', `{0: 'cat', 1: 'dog, small'}`],
    ['a Python dict in another order', `{1: 'dog, small', 0: 'cat'}`],
    ['lines', 'cat\r\ndog, small\n'],
  ] as const) {
    it(`are read from ${how}`, () => assert.deepEqual(labelsOfText(text), ['cat', 'dog, small']))
  }

  it('are read from words with commas between them', () => assert.deepEqual(labelsOfText(' cat, dog '), ['cat', 'dog']))
  it('keep a quote that Python escapes', () => assert.deepEqual(labelsOfText(`['teddy\\'s', "bear"]`), [`teddy's`, 'bear']))

  for (const text of [
    '',
    '  ',
    '80',
    'classifier',
    '[]',
    '{}',
    '[1, 2]',
    '{"0": "cat", "2": "dog"}',
    `{0: 'cat', 2: 'dog'}`,
    '["cat", ""]',
    `['cat' 'dog']`,
    '[[',
    `{'cat': 0}`,
    'cat,,dog',
  ]) {
    it(`are null for ${JSON.stringify(text)}`, () => assert.equal(labelsOfText(text), null))
  }
})

describe('A file with one label in each line', () => {
  it('may begin with a byte order mark, end with empty lines and have commas in its labels', () =>
    assert.deepEqual(labelsOfLines('\uFEFFtabby, cat\r\ndog \n\n'), ['tabby, cat', 'dog']))
  it('gives no labels if a line between two labels is empty', () => assert.equal(labelsOfLines('cat\n\ndog'), null))
})
