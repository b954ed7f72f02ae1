import assert from 'node:assert/strict'
import { it } from 'node:test'
import { terminalText } from '../../../ops/cli/terminal-text.ts'

it('A text for a terminal shows control characters as escapes', () => {
  assert.equal(terminalText('bad \u001b[2Jname\u0007'), 'bad \\u{1b}[2Jname\\u{7}')
  assert.equal(terminalText('over\rwritten \u202eback \u009b1m'), 'over\\u{d}written \\u{202e}back \\u{9b}1m')
  assert.equal(terminalText('two\nlines\tof “plain” text, 熊 🧸'), 'two\nlines\tof “plain” text, 熊 🧸')
})
