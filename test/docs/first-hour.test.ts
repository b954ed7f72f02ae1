import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { cloneToPack } from '../support/packed-clone.ts'
import { PageReader } from '../support/page-reader.ts'
import { pageSections } from '../support/page-steps.ts'

const root = resolve(import.meta.dirname, '..', '..')

describe('A newcomer who follows docs/first-hour.md from an empty folder gets the shown output', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-first-hour-'))
  const home = join(directory, 'home')
  const { NODE_TEST_CONTEXT: _context, ...inherited } = process.env
  const env = { ...inherited, PATH: dirname(process.execPath) + delimiter + (process.env.PATH ?? ''), npm_config_prefer_offline: 'true' }
  mkdirSync(home)
  cloneToPack(join(home, 'waggle'))
  const swarms = join('swarms', 'iris')
  cpSync(join(root, swarms), join(home, 'waggle', swarms), { recursive: true })
  const reader = new PageReader({ directory: home, env, note: join(directory, 'folder') })
  after(async () => {
    await reader.close()
    rmSync(directory, { recursive: true, force: true })
  })

  let failed: string | null = null
  for (const { title, steps } of pageSections(readFileSync(join(root, 'docs', 'first-hour.md'), 'utf8'))) {
    it(`in the section “${title}”`, { timeout: 600_000 }, async (context) => {
      if (failed !== null) return context.skip(`it stands on “${failed}”, which failed`)
      failed = title
      for (const step of steps) await reader.take(step)
      failed = null
    })
  }
})
