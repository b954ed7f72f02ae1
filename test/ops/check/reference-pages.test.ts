import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, it } from 'node:test'
import { apiPage, ownDescription } from '../../../ops/check/api-page.ts'
import { cliPage } from '../../../ops/check/cli-page.ts'
import { settingsPage } from '../../../ops/check/settings-page.ts'
import { program } from '../../../ops/cli/main.ts'
import { settings } from '../../../ops/config/settings.ts'

const page = (name: string) => readFileSync(resolve(import.meta.dirname, '..', '..', '..', 'docs', name), 'utf8')

describe('The pages of reference', () => {
  it('have every setting with its variable, default and meaning', () => {
    const text = page('settings.md')
    assert.equal(settingsPage(), text)
    for (const { key, variable, about } of settings) {
      const [line = ''] = text.split('\n').filter((one) => one.startsWith(`| \`${key}\` | \`${variable}\` |`))
      assert.ok(line.includes(about.replaceAll('<', '&lt;')), key)
    }
    assert.match(text, /\| `gpu` \| `WAGGLE_GPU` \| `prefer`, `require` \| `prefer`; on Kafka `require` \|/)
    assert.match(text, /`caller_rate_per_second` .* Reloads\. \|/)
  })

  it('have the help of every command, and of no command twice', () => {
    const text = page('cli.md')
    assert.equal(cliPage(), text)
    const headings = [...text.matchAll(/^##+ waggle (.*)$/gm)].map(([, words = '']) => words)
    assert.equal(new Set(headings).size, headings.length)
    for (const command of program.createHelp().visibleCommands(program)) if (command.name() !== 'help') assert.ok(headings.includes(command.name()))
    for (const words of ['swarms apply', 'dead-letters retry', 'models convert', 'servers set']) assert.ok(headings.includes(words), words)
    assert.match(text, /## waggle run\n\n```text\nUsage: waggle run \[options\] <file\.\.\.>\n/)
  })

  it('have every call of the API, with the scope that it needs', async () => {
    const description = await ownDescription()
    const text = page('api.md')
    assert.equal(apiPage(description), text)
    for (const [path, operations] of Object.entries(description.paths))
      for (const method of Object.keys(operations)) assert.ok(text.includes(`| \`${method.toUpperCase()} ${path}\` |`), path)
    assert.match(text, /\| `POST \/v1\/gateways\/\{gateway\}\/request` \| .* \| `ask` \|/)
    assert.match(text, /\| `DELETE \/v1\/swarms\/\{swarm\}` \| .* \| `manage` \| `\?purge=`/)
    assert.match(text, /\| `GET \/healthz` \| .* \| none \|/)
    assert.match(text, /\| `POST \/v1\/debug\/profile` \|/)
  })
})
