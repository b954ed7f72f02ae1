import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { ModelCache } from '../../../connectors/objects/model-cache.ts'
import { S3Objects } from '../../../connectors/objects/s3-objects.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { objectStoreContract } from '../../contract/object-store.ts'

import { describeWithS3, type Env, withEnv } from '../../support/s3-server.ts'
import { SwitchableProxy } from '../../support/switchable-proxy.ts'
import { WebServer } from '../../support/web-server.ts'

describeWithS3('S3', (server) => {
  objectStoreContract('S3', async () => {
    const proxy = await SwitchableProxy.before(server().endpoint)
    const env = { ...server().env, AWS_ENDPOINT_URL_S3: proxy.url }
    const store = new S3Objects({ env, maxKeys: 100 })
    // The SDK reads its variables when the client is made.
    await withEnv(env, () => store.look('s3://contract/nothing', never).catch(() => {}))
    await server().makeBucket('contract')
    return {
      store,
      put: (key, content) => server().put('contract', key, content),
      remove: (key) => server().remove('contract', key),
      addressOf: (key) => `s3://contract/${key}`,
      goAway: async () => proxy.goAway(),
      comeBack: async () => proxy.comeBack(),
      close: async () => {
        store.close()
        await proxy[Symbol.asyncDispose]()
      },
    }
  })

  const look = (address: string, env: Env = server().env, maxKeys = 100) =>
    withEnv(env, async () => {
      const store = new S3Objects({ env, maxKeys })
      try {
        return await store.look(address, never)
      } finally {
        store.close()
      }
    })

  it('finds a folder by its prefix, with or without a final slash, but not by the beginning of a name', async () => {
    await server().makeBucket('folders')
    for (const key of ['of/measures/1/saved_model.pb', 'of/measures/1/variables/variables.index', 'of/measures-old/x'])
      await server().put('folders', key, 'honey')
    for (const address of ['s3://folders/of/measures', 's3://folders/of/measures/']) {
      const { kind, name, objects } = await look(address)
      assert.deepEqual([kind, name], ['folder', 'measures'])
      assert.deepEqual(
        objects.map(({ path, bytes }) => [path, bytes]),
        [
          ['measures/1/saved_model.pb', 5],
          ['measures/1/variables/variables.index', 5],
        ],
      )
    }
  })

  it('lists labels and weights that are beside a model', async () => {
    await server().makeBucket('beside')
    for (const key of ['iris.onnx', 'iris.onnx.data', 'iris.labels.txt', 'other.labels.txt']) await server().put('beside', key, 'honey')
    const { objects } = await look('s3://beside/iris.onnx')
    assert.deepEqual(
      objects.map(({ path }) => path),
      ['iris.onnx', 'iris.labels.txt', 'iris.onnx.data'],
    )
  })

  it('follows the pages of a listing, up to the limit of keys', async () => {
    await server().makeBucket('pages')
    for (let at = 0; at < 1003; at++) server().place('pages', `many/${at}`, 'x')
    assert.equal((await look('s3://pages/many', server().env, 1003)).objects.length, 1003)
    await assert.rejects(look('s3://pages/many', server().env, 1002), { code: 'WAGGLE_MODEL_TOO_LARGE' })
  })

  it('names the mistake in the error: the bucket, the key, the permissions, the user or the secret', async () => {
    await server().makeBucket('wrongs')
    await server().put('wrongs', 'there.onnx', 'honey')
    server().addUser('poor', 'poor-secret')
    await assert.rejects(look('s3://no-such-bucket/a.onnx'), { code: 'WAGGLE_MODEL_NOT_FOUND', message: /there is no bucket no-such-bucket/ })
    await assert.rejects(look('s3://wrongs/a.onnx'), { code: 'WAGGLE_MODEL_NOT_FOUND', message: /neither this key nor keys below a\.onnx\// })
    const refused = (message: RegExp, next: RegExp) => ({ code: 'WAGGLE_MODEL_REFUSED', message, next })
    const secret = 'a-wrong-secret'
    await assert.rejects(look('s3://wrongs/there.onnx', server().envOf('poor', 'poor-secret')), refused(/AccessDenied \(403\)/, /s3:GetObject/))
    await assert.rejects(look('s3://wrongs/there.onnx', server().envOf('waggle', secret)), refused(/SignatureDoesNotMatch/, /AWS_SECRET_ACCESS_KEY/))
    await assert.rejects(look('s3://wrongs/there.onnx', server().envOf('nobody', secret)), refused(/InvalidAccessKeyId/, /AWS_ACCESS_KEY_ID/))
  })

  it('distinguishes versions of an object without a tag by the time of its last change', async () => {
    await server().makeBucket('placed')
    server().place('placed', 'a.onnx', 'honey')
    const [object] = (await look('s3://placed/a.onnx')).objects
    assert.match(object?.etag ?? '', /^W\/"\d+"$/)
  })

  it('distinguishes versions of an object by their ids, even if they have the same bytes', async () => {
    await server().makeBucket('versioned')
    await server().keepVersions('versioned')
    const ids: (string | null | undefined)[] = []
    for (const content of ['honey', 'wax', 'honey']) {
      await server().put('versioned', 'a.onnx', content)
      ids.push((await look('s3://versioned/a.onnx')).objects[0]?.versionId)
    }
    assert.equal(new Set(ids).size, 3)
    assert.ok(
      ids.every((id) => typeof id === 'string' && id !== ''),
      String(ids),
    )
  })

  it('lets a cache fetch every version once, and does not find a deleted object', async () => {
    await server().makeBucket('kept')
    await server().keepVersions('kept')
    const directory = mkdtempSync(join(tmpdir(), 'waggle-versions-'))
    const found = (key: string) =>
      withEnv(server().env, async () => {
        const store = new S3Objects({ env: server().env, maxKeys: 100 })
        const cache = new ModelCache({ directory, maxBytes: 1000, storeOf: () => store, clock: systemClock })
        try {
          return await cache.path({ address: `s3://kept/${key}`, kind: 'file or folder', log: () => {} })
        } finally {
          await cache.close()
          store.close()
        }
      })
    try {
      await server().put('kept', 'a.onnx', 'honey')
      const first = await found('a.onnx')
      assert.equal(await found('a.onnx'), first)
      await server().put('kept', 'a.onnx', 'honey')
      const second = await found('a.onnx')
      assert.notEqual(second, first, 'the bytes are the same, and the version is another one')
      assert.deepEqual([readFileSync(first, 'utf8'), readFileSync(second, 'utf8')], ['honey', 'honey'])
      await server().remove('kept', 'a.onnx')
      await assert.rejects(found('a.onnx'), { code: 'WAGGLE_MODEL_NOT_FOUND' })
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('stops at its limits if a listing or an error is endless', async () => {
    await using endless = await WebServer.start()
    endless.answer = ({ url = '' }, response) => {
      response.writeHead(url.includes('list-type') ? 200 : 404, { 'content-type': 'application/xml' })
      const chunk = Buffer.alloc(1024 * 1024, '<Contents/>')
      const send = () => {
        while (response.writable && response.write(chunk));
        response.once('drain', send)
      }
      send()
      return true
    }
    const env = { ...server().env, AWS_ENDPOINT_URL_S3: endless.addressOf('').replace(/\/$/, '') }
    await assert.rejects(look('s3://endless/a/', env), { code: 'WAGGLE_MODEL_UNREACHABLE', message: /larger than 16777216 bytes/ })
    await assert.rejects(look('s3://endless/a.onnx', env), { message: /larger than 16777216 bytes/ })
  })

  it('returns the size 0 for an empty object', async () => {
    await server().makeBucket('empty')
    await server().put('empty', 'nothing.onnx', '')
    assert.equal((await look('s3://empty/nothing.onnx')).objects[0]?.bytes, 0)
  })
})

const never = new AbortController().signal
