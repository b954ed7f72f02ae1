import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Redaction } from '../../../../topology/swarm/secrets/redaction.ts'
import { Refused, WaggleError } from '../../../../topology/waggle-error.ts'

const redaction = new Redaction(
  new Map([
    ['secrets.KEY', 'p@ss "word"/+$1'],
    ['secrets.LONG', 'first line\nsecond line'],
  ]),
)

test('A secret is hidden in plain form, as JSON, in a URL, and line by line', () => {
  for (const told of ['p@ss "word"/+$1', 'p@ss \\"word\\"/+$1', encodeURIComponent('p@ss "word"/+$1')])
    assert.equal(redaction.text(`a ${told} b`), 'a {{ secrets.KEY }} b')
  assert.equal(redaction.text('it said: second line'), 'it said: {{ secrets.LONG }}')
})

test('An error keeps its code, its class and its place, and shows no secret in any of its texts', () => {
  const cause = new Error('spawn p@ss "word"/+$1 ENOENT')
  const thrown = new WaggleError('WAGGLE_BEE_DIED', {
    message: 'The command p@ss "word"/+$1',
    next: 'Not p@ss "word"/+$1',
    place: 'a.yaml:1:1',
    cause,
  })
  const told = redaction.error(thrown)
  assert.ok(told instanceof WaggleError)
  assert.deepEqual([told.code, told.place, told.message], ['WAGGLE_BEE_DIED', 'a.yaml:1:1', 'The command {{ secrets.KEY }}'])
  assert.doesNotMatch([told.message, told.next, told.stack, (told.cause as Error).message, (told.cause as Error).stack].join(), /p@ss|p%40ss/)
  assert.ok(redaction.error(new Refused('no p@ss "word"/+$1')) instanceof Refused)
})

test('An error that quotes no secret is returned as the same object', () => {
  const thrown = new WaggleError('WAGGLE_BEE_FAILED', { message: 'It failed', next: 'Look.' })
  assert.equal(redaction.error(thrown), thrown)
})

test('Each mistake in an error’s cause is redacted', () => {
  const mistake = new WaggleError('WAGGLE_SWARM_MISTAKE', { message: 'no p@ss "word"/+$1', next: 'Correct it.' })
  const told = redaction.error(new WaggleError('WAGGLE_INVALID_SWARM', { message: 'all', next: '', cause: new AggregateError([mistake]) }))
  assert.equal(((told.cause as AggregateError).errors[0] as Error).message, 'no {{ secrets.KEY }}')
})

test('A result that repeats a secret shows the secret’s name in all of its texts, and any other result stays the same object', () => {
  const told = redaction.payload({ kind: 'json', json: { list: ['first line\nsecond line', 1], 'p@ss "word"/+$1': null } })
  assert.deepEqual(told, { kind: 'json', json: { list: ['{{ secrets.LONG }}', 1], '{{ secrets.KEY }}': null } })
  const bytes = redaction.payload({ kind: 'bytes', contentType: 'text/plain', bytes: Buffer.from('said: p@ss "word"/+$1') })
  assert.equal(bytes.kind === 'bytes' && Buffer.from(bytes.bytes).toString(), 'said: {{ secrets.KEY }}')
  for (const same of [
    { kind: 'json', json: { a: [1, 'p@ss'] } },
    { kind: 'bytes', contentType: 'image/png', bytes: Buffer.from([255, 0]) },
  ] as const)
    assert.equal(redaction.payload(same), same)
})

test('A secret is hidden in a header that has it in base64', () => {
  const hidden = new Redaction(new Map([['secrets.KEY', 'ada:hunter2']]))
  assert.doesNotMatch(hidden.text(`Basic ${Buffer.from('ada:hunter2').toString('base64')}`), /YWRhOmh1bnRlcj/)
})
