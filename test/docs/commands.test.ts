import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { cloneToUse } from '../support/packed-clone.ts'
import { PageReader } from '../support/page-reader.ts'
import { codeBlocks } from '../support/page-steps.ts'
import { typedBlocks } from '../support/typed-blocks.ts'

const root = resolve(import.meta.dirname, '..', '..')

describe('A reader who types the commands of the pages in a clone gets what they say, with', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-commands-'))
  const home = join(directory, 'home')
  const clone = join(home, 'waggle')
  const { NODE_TEST_CONTEXT: _context, ...inherited } = process.env
  const env = { ...inherited, HOME: home, PATH: dirname(process.execPath) + delimiter + (process.env.PATH ?? '') }
  mkdirSync(home)
  cloneToUse(clone)
  symlinkSync(join(root, 'swarms'), join(clone, 'swarms'))
  after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))

  for (const [name, typed] of Object.entries(typedBlocks))
    it(name, { timeout: 280_000 }, async (context) => {
      const reader = new PageReader({ directory: clone, env, note: join(directory, 'folder') })
      context.after(() => reader.close())
      for (const { page, begins, shown = null, isEventual = false } of typed) {
        const [block, ...others] = codeBlocks(readFileSync(join(root, page), 'utf8')).filter(({ text }) => text.startsWith(begins))
        assert.ok(block !== undefined && others.length === 0, `${page} has one block that begins with ${begins}`)
        await reader.take({ kind: 'run', line: block.line, script: block.text, shown, isEventual })
      }
      await reader.stopAll()
    })
})
