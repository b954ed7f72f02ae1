import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { holdHangups, reloadAtHangup } from '../../../ops/cli/hangup.ts'
import { loadConfig } from '../../../ops/config/config.ts'
import type { Settings } from '../../../ops/config/settings.ts'

describe('A hangup signal', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-hangup-'))
  after(() => rmSync(directory, { recursive: true }))
  const said: string[] = []
  const taken: Settings[] = []
  const write = (text: string) => writeFileSync(join(directory, 'waggle.yaml'), text)
  const load = () => loadConfig({ directories: [directory], env: {} }).settings
  const hangup = async () => {
    const heard = once(process, 'SIGHUP')
    process.kill(process.pid, 'SIGHUP')
    await heard
    return said.splice(0)
  }

  it('applies new settings, names settings that need a restart, and changes nothing if a setting is wrong', {
    skip: process.stdout.isTTY === true,
  }, async () => {
    write('log_level: info\n')
    const end = reloadAtHangup({
      settings: load(),
      load,
      take: (settings) => taken.push(settings),
      say: (_, level, message) => said.push(`${level} ${message}`),
    })
    try {
      write('log_level: debug\ntokens: web=hangup-0123456789:read\nhttp_port: 9000\n')
      assert.deepEqual(await hangup(), [
        'info read the settings again; changed: tokens, log_level',
        'warn http_port has changed, and takes effect at the next start',
      ])
      assert.deepEqual([taken.length, taken[0]?.log_level, taken[0]?.tokens], [1, 'debug', 'web=hangup-0123456789:read'])

      write('log_level: loud\ntokens: web=hangup-0123456789\n')
      const [line = '', ...others] = await hangup()
      assert.match(line, /^error the settings stay as they were: .*"loud" is not a level.*Token 1 is not of the form/)
      assert.equal(line.includes('hangup-0123456789'), false)
      assert.deepEqual([others, taken.length], [[], 1])
      assert.equal(process.listenerCount('SIGHUP'), 1)
    } finally {
      end()
    }
  })

  it('changes no setting after an error of any kind', { skip: process.stdout.isTTY === true }, async () => {
    write('log_level: info\n')
    const broken = () => {
      throw new RangeError('Key 1 is not 32 bytes')
    }
    const end = reloadAtHangup({
      settings: load(),
      load: broken,
      take: () => assert.fail('nothing is taken'),
      say: (_, level, message) => said.push(`${level} ${message}`),
    })
    try {
      assert.match((await hangup()).join(), /^error the settings stay as they were: .*Key 1 is not 32 bytes/)
    } finally {
      end()
    }
  })

  it('takes effect after the start if it arrives during the start', { skip: process.stdout.isTTY === true }, async () => {
    write('log_level: info\n')
    const endHold = holdHangups()
    await hangup()
    const end = reloadAtHangup({ settings: load(), load, take: () => {}, say: (_, level, message) => said.push(`${level} ${message}`) })
    try {
      const heard = once(process, 'SIGHUP')
      endHold({ again: true })
      await heard
      assert.deepEqual(said.splice(0), ['info read the settings again; changed: none'])
      assert.equal(process.listenerCount('SIGHUP'), 1)
    } finally {
      end()
    }
  })
})
