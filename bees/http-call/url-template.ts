import { ownMember } from '../../topology/own-member.ts'
import { Refused, WaggleError } from '../../topology/waggle-error.ts'

/**
 * A URL that may contain fields of the input in its path and its query: `https://shop.example/items/{id}?q={text}`. Each value is percent-encoded, so
 * that it cannot change the host or the structure of the path and the query.
 */
export class UrlTemplate {
  readonly #template: string

  /**
   * Takes the text of the template. Throws WAGGLE_HTTP_CALL_ADDRESS for a text that is not the address of an HTTP server, and for a field outside of
   * path and query.
   */
  constructor(template: string) {
    this.#template = template
    const url = URL.parse(filled(template, () => 'x'))
    if (url === null || !/^https?:\/\/[^/]/i.test(template)) throw wrong('it is not a URL that begins with http:// or https://')
    if (/^[^/]*\/\/[^/?#]*\{/.test(template)) throw wrong('a field may stand in the path and the query only')
    if (url.username !== '' || url.password !== '') throw wrong('it has a name or a password in it', 'Put {{ secrets.NAME }} into a header.')
    if (url.hash !== '') throw wrong('a fragment (#) is not sent')
    if (/[{}]/.test(template.replace(field, ''))) throw wrong('a field is written {name} or {name.inside}')
  }

  /** A URL with a placeholder for each field. All requests go to the host of this URL. */
  get base(): URL {
    return new URL(filled(this.#template, () => 'x'))
  }

  /** The URL for one input. Throws `Refused` if the input lacks a field, or if a field is not a text, number or boolean. */
  for(input: unknown): URL {
    const url = filled(this.#template, (path, isInPath) => {
      const value = fieldAt(input, path)
      if (value === undefined) throw new Refused(`this input has no field ${path}, which the address needs`)
      if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
        throw new Refused(`${path} is neither a text nor a number nor a boolean, and the address needs one`)
      const text = String(value).toWellFormed()
      if (isInPath && /^\.{0,2}$/.test(text)) throw new Refused(`${path} is ${JSON.stringify(text)}, which an address cannot have in its path`)
      return encodeURIComponent(text)
    })
    if (url.length > maxUrlLength) throw new Refused(`the address of this input has more than ${maxUrlLength} characters`)
    const parsed = new URL(url)
    if (parsed.pathname.split('/').length !== this.base.pathname.split('/').length)
      throw new Refused('a field of this input changes the path of the address')
    return parsed
  }
}

/** The value at a path such as `a.b`; undefined if the input has no such field. */
export function fieldAt(input: unknown, path: string): unknown {
  let value: unknown = input
  for (const step of path.split('.')) {
    const isMap = value !== null && typeof value === 'object' && !Array.isArray(value) && !ArrayBuffer.isView(value)
    value = isMap ? ownMember(value as { readonly [key: string]: unknown }, step) : undefined
  }
  return value
}

function filled(template: string, textOf: (path: string, isInPath: boolean) => string): string {
  const query = template.indexOf('?')
  return template.replace(field, (_, path: string, at: number) => textOf(path, query < 0 || at < query))
}

function wrong(why: string, next = 'Write http:// or https://, a host, and fields of the input as {name} in the path or the query.'): WaggleError {
  return new WaggleError('WAGGLE_HTTP_CALL_ADDRESS', { message: `url cannot be called: ${why}`, next })
}

const field = /\{([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)\}/g
const maxUrlLength = 8000
