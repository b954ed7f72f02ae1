import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
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

  it('that Waggle owns are left alone if they are links, whose targets belong to somebody else', () => {
    const [target, link] = [join(directory, 'target'), join(directory, 'link')]
    writeFileSync(target, 'of another program')
    chmodSync(target, 0o644)
    symlinkSync(target, link)
    assert.deepEqual([closePlaces([{ path: link, isOwn: true }]), modeOf(target)], [[], '644'])
    // A link that a user named is followed, as secrets of Kubernetes are links.
    assert.deepEqual(closePlaces([{ path: link, isOwn: false }]), [`other users of this machine may read ${link} (mode 644): chmod 600 ${link}`])
  })

  it('that everybody may read are reported if others may change them', () => {
    const file = join(directory, 'server.crt')
    writeFileSync(file, 'certificate')
    chmodSync(file, 0o644)
    assert.deepEqual(closePlaces([{ path: file, isOwn: false, isPublic: true }]), [])
    chmodSync(file, 0o664)
    assert.deepEqual(closePlaces([{ path: file, isOwn: false, isPublic: true }]), [
      `other users of this machine may change ${file} (mode 664): chmod go-w ${file}`,
    ])
  })

  it('are reported if every user may replace them, also at the end of a link', () => {
    const [open, closed] = [join(directory, 'open'), join(directory, 'shut')]
    for (const folder of [open, closed]) mkdirSync(folder)
    chmodSync(open, 0o777)
    writeFileSync(join(open, 'key'), 'secret', { mode: 0o600 })
    symlinkSync(join(open, 'key'), join(closed, 'key'))
    const said = (path: string) => `${open} may be changed by every user (mode 777), who may replace ${path}: keep it in a directory of this user`
    for (const folder of [open, closed]) assert.deepEqual(closePlaces([{ path: join(folder, 'key'), isOwn: false }]), [said(join(folder, 'key'))])
    chmodSync(open, 0o1777)
    assert.deepEqual(closePlaces([{ path: join(closed, 'key'), isOwn: false }]), [])
  })

  it('are reported if they belong to another user', { skip: process.geteuid?.() !== 0 && 'only root can give a file to another user' }, () => {
    const [file, folder] = [join(directory, 'foreign'), join(directory, 'foreign-folder')]
    writeFileSync(file, 'secret', { mode: 0o600 })
    chownSync(file, 12_345, 12_345)
    assert.deepEqual(closePlaces([{ path: file, isOwn: false }]), [
      `${file} belongs to another user of this machine (uid 12345), who may change it: chown 0 ${file}`,
    ])
    mkdirSync(folder)
    writeFileSync(join(folder, 'key'), 'secret', { mode: 0o600 })
    chownSync(folder, 12_345, 12_345)
    assert.deepEqual(closePlaces([{ path: join(folder, 'key'), isOwn: false }]), [
      `${folder} belongs to another user (uid 12345), who may replace ${join(folder, 'key')}: keep it in a directory of this user`,
    ])
  })

  it('are looked at when a process starts', async () => {
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
