import assert from 'node:assert/strict'
import { it } from 'node:test'
import { foundLines } from '../../../ops/cli/checked-files.ts'
import { reportError } from '../../../ops/cli/exit-status.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

it('A model’s label in the output of validate and plan shows its control characters as escapes, and cannot begin a line', () => {
  const lines = foundLines(new Map([['classify', { summary: 'gives \u001b[2Jcat,\n  other takes \u202enothing' }]]))
  assert.equal(lines, '  classify gives \\u{1b}[2Jcat,\\n  other takes \\u{202e}nothing\n')
})

it('A name in a mistake’s message shows its control characters as escapes', () => {
  let printed = ''
  const error = new WaggleError('WAGGLE_MODEL_SHAPE', { message: 'it has the input \u001b]0;title\u0007', next: 'Correct it.' })
  reportError(error, {
    json: false,
    write: (text) => {
      printed += text
    },
  })
  assert.equal(printed, 'waggle: it has the input \\u{1b}]0;title\\u{7}. Correct it.\n')
})
