import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { codeBlocks } from '../support/page-steps.ts'
import { patient } from '../support/patient.ts'
import { skipWithoutPython } from '../support/python-bee.ts'
import { SwarmHere } from '../support/swarm-here.ts'

const root = resolve(import.meta.dirname, '..', '..')
const blocks = codeBlocks(readFileSync(join(root, 'docs', 'types.md'), 'utf8'))
const textOf = (language: string) => blocks.find((block) => block.language === language)?.text ?? assert.fail(`The page has no block of ${language}`)
/** The first mistake that the page shows, after its place. */
const [, shown = ''] = /^swarm\.yaml:[\d:]+ (.*)$/m.exec(textOf('text')) ?? []

const languages = [
  { language: 'ts', file: 'ship.ts', bee: 'name: ship, type: module, input: {name: order}, spec: {file: ./ship.ts}', skip: false },
  {
    language: 'python',
    file: 'ship.py',
    bee: 'name: ship, type: python, input: {name: order}, spec: {file: ./ship.py, bee: ship}',
    skip: skipWithoutPython,
  },
] as const

/** Passes orders on, whose type is known. */
const orderOf = (member: string) =>
  `export const output = { type: 'object', properties: { id: { type: 'number' }, ${member} }, required: ['id'] }\nexport default (input) => input\n`

describe('The bee of docs/types.md', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-types-'))
  after(() => rmSync(directory, { recursive: true }))

  for (const { language, file, bee, skip } of languages) {
    const source = textOf(language)
    const bees = `  - {name: order, type: module, input: {name: entrance}, spec: {file: ./order.mjs}}\n  - {${bee}}\n`

    it(`makes validate print the mistake that the page shows, if an order has no city: ${language}`, { skip }, () => {
      writeFileSync(join(directory, file), source)
      writeFileSync(join(directory, 'order.mjs'), orderOf("total: { type: 'number' }"))
      writeFileSync(join(directory, 'swarm.yaml'), `name: typed\nbees:\n  - {name: entrance, type: gateway-input, spec: {name: door}}\n${bees}`)
      const { status, stderr } = spawnSync(process.execPath, [join(root, 'ops/cli/main.ts'), 'validate', 'swarm.yaml'], {
        cwd: directory,
        encoding: 'utf8',
      })
      assert.equal(status, 1, stderr)
      assert.deepEqual(stderr.replaceAll(/^swarm\.yaml:5:\d+: /gm, '').trim(), shown)
    })

    it(`ships an order with a city: ${language}`, { skip }, async () => {
      const answer = '  - {name: answer, type: respond, input: {name: ship}}\n'
      const files = { [file]: source, 'order.mjs': orderOf("city: { type: 'string' }") }
      await using here = await SwarmHere.open({}, { bees: bees + answer, files })
      assert.deepEqual(await (await patient(() => here.ask({ id: 7, city: 'Bern' }))).json(), '7 goes to Bern')
    })
  }
})
