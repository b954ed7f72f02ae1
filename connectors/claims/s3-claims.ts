import type { S3Client } from '@aws-sdk/client-s3'
import { timesInKey } from '../../topology/swarm/payload/claim-codec.ts'
import type { ClaimStore } from '../../topology/swarm/ports/claims.ts'
import { Unavailable, WaggleError } from '../../topology/waggle-error.ts'
import { openS3Client } from '../objects/s3-client.ts'
import { isMissing, s3Error } from '../objects/s3-error.ts'
import type { ClaimBucket } from './claim-bucket.ts'

/** Large payloads in a bucket of S3, or of a server with the same interface. All processes of a cluster share it. */
export class S3Claims implements ClaimStore {
  readonly name: string
  readonly #bucket: string
  readonly #prefix: string
  readonly #env: { readonly [variable: string]: string | undefined }
  #client: Promise<S3Client> | null = null

  /** `env`: the variables in which the AWS SDK finds the endpoint, the region and the credentials. */
  constructor({ bucket, prefix }: ClaimBucket, env: { readonly [variable: string]: string | undefined }) {
    this.name = `s3://${bucket}/${prefix}`
    this.#bucket = bucket
    this.#prefix = prefix
    this.#env = env
  }

  put(key: string, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    return this.#answered(key, signal, async (client) => {
      const { PutObjectCommand } = await import('@aws-sdk/client-s3')
      await client.send(new PutObjectCommand({ ...this.#place(key), Body: bytes, ContentLength: bytes.length }), { abortSignal: signal })
    })
  }

  get(key: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array | null> {
    return this.#answered(key, signal, async (client) => {
      const { GetObjectCommand } = await import('@aws-sdk/client-s3')
      try {
        const { Body } = await client.send(new GetObjectCommand(this.#place(key)), { abortSignal: signal })
        return await bytesOf((Body ?? []) as AsyncIterable<Uint8Array>, maxBytes)
      } catch (thrown) {
        if (isMissing(thrown) && !isBucketMissing(thrown)) return null
        throw thrown
      }
    })
  }

  delete(key: string, signal: AbortSignal): Promise<void> {
    return this.#answered(key, signal, async (client) => {
      const { DeleteObjectCommand } = await import('@aws-sdk/client-s3')
      await client.send(new DeleteObjectCommand(this.#place(key)), { abortSignal: signal })
    })
  }

  list(before: string, most: number, signal: AbortSignal): Promise<readonly string[]> {
    return this.#answered('', signal, async (client) => {
      const { ListObjectsV2Command } = await import('@aws-sdk/client-s3')
      const keys: string[] = []
      for (let token: string | undefined; ; ) {
        const input = { Bucket: this.#bucket, Prefix: this.#prefix, MaxKeys: Math.min(most, 1_000), ContinuationToken: token }
        const { Contents = [], NextContinuationToken } = await client.send(new ListObjectsV2Command(input), { abortSignal: signal })
        // A list of S3 is in the order of its keys.
        for (const { Key = '' } of Contents) {
          const key = Key.slice(this.#prefix.length)
          if (timesInKey(key) === null) continue
          if (key >= before || keys.length >= most) return keys
          keys.push(key)
        }
        if (NextContinuationToken === undefined || Contents.length === 0) return keys
        token = NextContinuationToken
      }
    })
  }

  async close(): Promise<void> {
    await this.#client?.then((client) => client.destroy()).catch(() => {})
  }

  #place(key: string): { readonly Bucket: string; readonly Key: string } {
    if (timesInKey(key) === null) throw new RangeError(`${JSON.stringify(key.slice(0, 100))} is no name of an object`)
    return { Bucket: this.#bucket, Key: this.#prefix + key }
  }

  async #answered<T>(key: string, signal: AbortSignal, act: (client: S3Client) => Promise<T>): Promise<T> {
    this.#client ??= openS3Client(this.#env)
    try {
      return await act(await this.#client)
    } catch (thrown) {
      if (thrown instanceof RangeError) throw thrown
      throw ownError(s3Error(this.name + key, thrown, signal))
    }
  }
}

/** Converts an error of S3 to the error texts of claim stores. */
function ownError(error: WaggleError): WaggleError {
  const { message, next, cause } = error
  if (error instanceof Unavailable) {
    return new Unavailable('WAGGLE_CLAIM_STORE_AWAY', {
      message: `The claim store does not answer: ${message}`,
      next: 'See that the store runs and can be reached. Waggle calls the store again.',
      cause,
    })
  }
  const rights = 'Give the user of these credentials the rights s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket.'
  return new WaggleError('WAGGLE_CLAIM_STORE', {
    message: `The claim store cannot be used: ${message}`,
    next: next.includes('s3:GetObject') ? `${rights} Or correct WAGGLE_CLAIM_STORE.` : next,
    cause,
  })
}

/** The bytes of an object. A larger object gives `maxBytes` + 1 bytes. */
async function bytesOf(chunks: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    const room = maxBytes + 1 - bytes
    all.push(chunk.length > room ? chunk.subarray(0, room) : chunk)
    bytes += chunk.length
    if (bytes > maxBytes) break
  }
  return new Uint8Array(Buffer.concat(all))
}

function isBucketMissing(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === 'NoSuchBucket'
}
