import assert from 'node:assert/strict'
import { it } from 'node:test'
import { loadRocksLevel } from '../../../connectors/rocksdb/rocks-binding.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

it('A machine without a RocksDB binary gets an error that names the supported machines and the next step', async () => {
  const absent = () => Promise.reject(new Error('No native build was found'))
  await assert.rejects(loadRocksLevel(absent), (thrown: unknown) => {
    assert.ok(thrown instanceof WaggleError)
    assert.equal(thrown.code, 'WAGGLE_PLATFORM')
    assert.match(thrown.message, new RegExp(`${process.platform}-${process.arch}.*linux-x64.*darwin-arm64`))
    assert.match(thrown.next, /--platform linux\/amd64/)
    return true
  })
})
