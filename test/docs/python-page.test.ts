import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, it } from 'node:test'
import { codeBlocks } from '../support/page-steps.ts'
import { patient } from '../support/patient.ts'
import { skipWithoutPython } from '../support/python-bee.ts'
import { SwarmHere } from '../support/swarm-here.ts'

const page = readFileSync(resolve(import.meta.dirname, '..', '..', 'docs', 'python.md'), 'utf8')

describe('The bees of docs/python.md', { skip: skipWithoutPython }, () => {
  const answers: { readonly [bee: string]: { readonly input: unknown; readonly answer: unknown } } = {
    hello: { input: { name: 'Ann' }, answer: { greeting: 'hello Ann' } },
    count: { input: { to: 3 }, answer: '0 1 2 ' },
  }
  for (const [bee, { input, answer }] of Object.entries(answers))
    it(`answer as the page says: ${bee}`, async () => {
      const block = codeBlocks(page).find(({ text, notRun }) => notRun === null && text.includes(`@register_bee(name="${bee}")`))
      assert.ok(block !== undefined)
      const bees = `  - {name: work, type: python, input: {name: entrance}, spec: {file: ./work.py, bee: ${bee}}}`
      await using here = await SwarmHere.open({}, { bees, files: { 'work.py': block.text } })
      assert.deepEqual(await (await patient(() => here.ask(input))).json(), answer)
    })
})
