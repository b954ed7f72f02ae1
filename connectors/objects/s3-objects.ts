import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3'
import type { ObjectBytes, ObjectListing, ObjectStore, StoredObject } from '../../topology/swarm/ports/objects.ts'
import { Unavailable, WaggleError } from '../../topology/waggle-error.ts'
import { filesBeside } from './files-beside.ts'
import { parseS3Address, type S3Address } from './s3-address.ts'
import { openS3Client } from './s3-client.ts'
import { isChanged, isMissing, isPastTheEnd, s3Error } from './s3-error.ts'
import { notFound, readable, tooLarge } from './store-error.ts'
import { isStrong, versionTag } from './version-tag.ts'

export interface S3Options {
  readonly env: { readonly [variable: string]: string | undefined }
  /** The most keys with one prefix. */
  readonly maxKeys: number
}

/** Objects from S3, and from servers with the same interface. The AWS SDK finds the endpoint, the region and the credentials. */
export class S3Objects implements ObjectStore {
  readonly #options: S3Options
  #client: Promise<S3Client> | null = null

  constructor(options: S3Options) {
    this.#options = options
  }

  async look(address: string, signal: AbortSignal): Promise<ObjectListing> {
    const place = parseS3Address(address)
    const file = place.key.endsWith('/') ? null : await this.#probe(place, signal)
    if (file === null) return this.#folder(place, signal)
    const name = place.key.slice(place.key.lastIndexOf('/') + 1)
    const besides = filesBeside(name).map(async (path) => {
      const key = place.key.slice(0, place.key.length - name.length) + path
      return this.#optional({ ...place, key }, path, signal)
    })
    const found = (await Promise.all(besides)).filter((one) => one !== null)
    return { kind: 'file', name, objects: [{ ...file, path: name }, ...found] }
  }

  async read(object: StoredObject, fromByte: number, signal: AbortSignal): Promise<ObjectBytes | null> {
    const place = parseS3Address(object.key)
    try {
      // The request names the version by its ETag. A request by the version's id would need another permission, s3:GetObjectVersion.
      const answer = await this.#get(place, signal, {
        ...(fromByte === 0 ? {} : { Range: `bytes=${fromByte}-` }),
        ...(isStrong(object.etag) ? { IfMatch: object.etag } : {}),
      })
      const { Body: chunks, ContentRange, ETag, LastModified } = answer
      if (versionTag(ETag, LastModified) !== object.etag) {
        await discard(answer)
        return null
      }
      if (chunks === undefined) throw new Error('the answer has no body')
      // A server that does not support ranges sends the whole object.
      const begins = ContentRange === undefined ? 0 : Number(/^bytes (\d+)-/.exec(ContentRange)?.[1])
      return { fromByte: begins, chunks: readable(object.key, chunks as AsyncIterable<Uint8Array>) }
    } catch (thrown) {
      // If the range begins past the end, the object is shorter now.
      if (isChanged(thrown) || isMissing(thrown) || isPastTheEnd(thrown)) return null
      throw s3Error(object.key, thrown, signal)
    }
  }

  close(): void {
    void this.#client?.then((client) => client.destroy()).catch(() => {})
  }

  /**
   * The object with exactly this key; null if there is none. The request asks for one byte. HEAD would be shorter, but a refused HEAD gives no
   * reason.
   */
  async #probe(place: S3Address, signal: AbortSignal): Promise<Omit<StoredObject, 'path'> | null> {
    const key = `s3://${place.bucket}/${place.key}`
    try {
      const answer = await this.#get(place, signal, { Range: 'bytes=0-0' })
      await discard(answer)
      const bytes = Number(/\/(\d+)$/.exec(answer.ContentRange ?? '')?.[1] ?? answer.ContentLength)
      if (!Number.isSafeInteger(bytes)) throw new Error('the answer does not say how large the object is')
      return { key, bytes, etag: versionTag(answer.ETag, answer.LastModified), versionId: answer.VersionId ?? null }
    } catch (thrown) {
      if (isPastTheEnd(thrown)) return { key, bytes: 0, etag: null, versionId: null }
      if (isMissing(thrown)) return null
      throw s3Error(key, thrown, signal)
    }
  }

  async #optional(place: S3Address, path: string, signal: AbortSignal): Promise<StoredObject | null> {
    try {
      const found = await this.#probe(place, signal)
      return found === null ? null : { ...found, path }
    } catch (thrown) {
      // If the caller may not list the bucket, S3 refuses a request for a missing key. So a refusal counts as missing.
      if (thrown instanceof WaggleError && !(thrown instanceof Unavailable)) return null
      throw thrown
    }
  }

  async #folder({ bucket, key }: S3Address, signal: AbortSignal): Promise<ObjectListing> {
    const { maxKeys } = this.#options
    const prefix = key.endsWith('/') ? key : `${key}/`
    const address = `s3://${bucket}/${key}`
    const name = prefix.split('/').at(-2) ?? ''
    const objects: StoredObject[] = []
    let token: string | undefined
    let seen = 0
    do {
      const page = await this.#list({ bucket, prefix, token }, signal).catch((thrown: unknown) => {
        throw isMissing(thrown) ? notFound(address, `there is no bucket ${bucket}`) : s3Error(address, thrown, signal)
      })
      for (const { Key, Size = 0, ETag, LastModified } of page.Contents ?? []) {
        // S3's console marks an empty folder by a key that ends with a slash. Keys without the prefix are left out, because a server may ignore the
        // prefix.
        if (Key === undefined || !Key.startsWith(prefix) || (Key.endsWith('/') && Size === 0)) continue
        objects.push({
          key: `s3://${bucket}/${Key}`,
          path: `${name}/${Key.slice(prefix.length)}`,
          bytes: Size,
          etag: versionTag(ETag, LastModified),
          versionId: null,
        })
      }
      const keys = page.Contents?.length ?? 0
      seen += keys
      // A server might announce further pages without end, so the loop stops after an empty page, or at the limit of keys.
      token = keys === 0 || seen > maxKeys ? undefined : page.NextContinuationToken
    } while (token !== undefined)
    if (seen > maxKeys) throw tooLarge(`${address} has more than ${maxKeys} keys`, 'Name the prefix of one model.')
    if (objects.length === 0) throw notFound(address, `the bucket has neither this key nor keys below ${prefix}`)
    return { kind: 'folder', name, objects }
  }

  async #get({ bucket, key }: S3Address, signal: AbortSignal, input: object): Promise<GetObjectCommandOutput> {
    const { GetObjectCommand } = await import('@aws-sdk/client-s3')
    const client = await this.#open()
    return client.send(new GetObjectCommand({ Bucket: bucket, Key: key, ...input }), { abortSignal: signal })
  }

  async #list({ bucket, prefix, token }: { bucket: string; prefix: string; token: string | undefined }, signal: AbortSignal) {
    const { ListObjectsV2Command } = await import('@aws-sdk/client-s3')
    const client = await this.#open()
    const input = { Bucket: bucket, Prefix: prefix, ...(token === undefined ? {} : { ContinuationToken: token }) }
    return client.send(new ListObjectsV2Command(input), { abortSignal: signal })
  }

  #open(): Promise<S3Client> {
    this.#client ??= openS3Client(this.#options.env)
    return this.#client
  }
}

async function discard({ Body }: GetObjectCommandOutput): Promise<void> {
  for await (const _ of (Body ?? []) as AsyncIterable<Uint8Array>) return
}
