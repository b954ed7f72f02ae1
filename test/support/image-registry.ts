import { createHash } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A registry of this machine with one image, `IMAGE`, with one layer. Docker pulls from loopback without TLS. */
export interface ImageRegistry extends AsyncDisposable {
  readonly image: string
}

/** `layer`: a tar file. `architecture`: Go's name of the processor, such as amd64. */
export async function startRegistry({ layer, architecture }: { readonly layer: string; readonly architecture: string }): Promise<ImageRegistry> {
  const layerDigest = await digestOf(layer)
  const config = Buffer.from(
    JSON.stringify({ architecture, os: 'linux', config: { Env: ['PATH=/bin'] }, rootfs: { type: 'layers', diff_ids: [layerDigest] } }),
  )
  const configDigest = `sha256:${createHash('sha256').update(config).digest('hex')}`
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: { mediaType: 'application/vnd.docker.container.image.v1+json', size: config.length, digest: configDigest },
      layers: [{ mediaType: 'application/vnd.docker.image.rootfs.diff.tar', size: statSync(layer).size, digest: layerDigest }],
    }),
  )
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    const send = (type: string, body: Buffer) =>
      response
        .writeHead(200, {
          'content-type': type,
          'content-length': body.length,
          'docker-content-digest': `sha256:${createHash('sha256').update(body).digest('hex')}`,
        })
        .end(request.method === 'HEAD' ? undefined : body)
    if (path === '/v2/') send('application/json', Buffer.from('{}'))
    else if (path.startsWith('/v2/bee/manifests/') && !path.endsWith('/missing')) send(manifestType, manifest)
    else if (path === `/v2/bee/blobs/${configDigest}`) send('application/octet-stream', config)
    else if (path === `/v2/bee/blobs/${layerDigest}`) {
      response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': statSync(layer).size })
      createReadStream(layer).pipe(response)
    } else
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    image: `127.0.0.1:${(server.address() as AddressInfo).port}/bee`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const manifestType = 'application/vnd.docker.distribution.manifest.v2+json'

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
  return `sha256:${hash.digest('hex')}`
}
