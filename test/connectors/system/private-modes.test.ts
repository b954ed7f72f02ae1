import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { CreatedTokens } from '../../../connectors/gateway/access/created-tokens.ts'
import { closePlaces } from '../../../connectors/system/private-modes.ts'
import { SwarmHere } from '../../support/swarm-here.ts'

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)

describe('Private places', { skip: process.platform === 'win32' }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-private-'))
  after(() => rmSync(directory, { recursive: true }))

  it('are created with permissions for their user only', () => {
    const data = join(directory, 'new', 'data')
    new CreatedTokens(data).create({ name: 'web', scopes: ['read'], nowMs: 0 })
    assert.deepEqual([modeOf(join(directory, 'new')), modeOf(data), modeOf(join(data, 'tokens.json'))], ['700', '700', '600'])
  })

  it('are closed if they belong to Waggle and others may read them, and are only reported if they belong to the user', () => {
    const [own, given, folder, closed] = ['own', 'given', 'folder', 'closed'].map((name) => join(directory, name)) as [string, string, string, string]
    for (const file of [own, given, closed]) writeFileSync(file, 'secret')
    chmodSync(own, 0o644)
    chmodSync(given, 0o660)
    chmodSync(closed, 0o600)
    mkdirSync(folder)
    chmodSync(folder, 0o755)
    const places = [own, given, folder, closed, join(directory, 'absent')].map((path) => ({ path, isOwn: path === own }))
    assert.deepEqual(closePlaces(places), [
      `other users of this machine may read ${own} (mode 644); it has mode 600 now`,
      `other users of this machine may change ${given} (mode 660): chmod 600 ${given}`,
      `other users of this machine may read ${folder} (mode 755): chmod 700 ${folder}`,
    ])
    assert.deepEqual([own, given, folder].map(modeOf), ['600', '660', '755'])
  })

  it('are checked when a process starts', async () => {
    const data = join(directory, 'data')
    mkdirSync(data)
    chmodSync(data, 0o755)
    writeFileSync(join(data, 'tokens.json'), '{"version":1,"tokens":[]}')
    chmodSync(join(data, 'tokens.json'), 0o666)
    await using swarm = await SwarmHere.open({ WAGGLE_DATA_DIR: data })
    assert.match(swarm.said.join('\n'), /warn other users of this machine may change .*tokens\.json \(mode 666\); it has mode 600 now/)
    assert.match(swarm.said.join('\n'), /warn other users of this machine may read .*data \(mode 755\): chmod 700/)
    assert.equal(modeOf(join(data, 'tokens.json')), '600')
  })
})
