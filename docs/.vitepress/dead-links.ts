import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { join, sep } from 'node:path'

/** The dead links of a built site, each with its page: links to files, pages and headings that the site does not have. */
export function deadLinksIn(site: string): readonly string[] {
  const pages = globSync('**/*.html', { cwd: site })
    .map((file) => file.split(sep).join('/'))
    .toSorted()
  const tags = new Map(pages.map((page) => [page, attributesIn(readFileSync(join(site, page), 'utf8'))]))
  const ids = new Map([...tags].map(([page, { id }]) => [page, new Set(id)]))
  return [...tags].flatMap(([page, { href, src }]) => {
    const dead = [...new Set([...href, ...src])].filter((link) => {
      const { origin, pathname, hash } = new URL(link, `${ownOrigin}/${page.replace(/(^|\/)index\.html$|\.html$/, '$1')}`)
      if (origin !== ownOrigin) return false
      const target = fileOf(site, decodeURIComponent(pathname))
      return target === null || (hash.length > 1 && !ids.get(target)?.has(decodeURIComponent(hash.slice(1))))
    })
    return dead.map((link) => `${page}: ${link}`)
  })
}

/** Stands for the address of the site, because pages name each other by paths. */
const ownOrigin = 'http://site.invalid'

/** The file that a web server sends for a path, as `cleanUrls` of VitePress expects it; null if there is none. */
function fileOf(site: string, path: string): string | null {
  const name = path.slice(1)
  const names = name === '' || name.endsWith('/') ? [`${name}index.html`] : [name, `${name}.html`]
  return names.find((one) => existsSync(join(site, one)) && statSync(join(site, one)).isFile()) ?? null
}

/** The values of three attributes in HTML that a program has written: texts and values in it contain no `<`, `>` or `"`. */
function attributesIn(html: string): Readonly<Record<'id' | 'href' | 'src', readonly string[]>> {
  const tags = html.match(/<[a-z][^<>]*>/gi) ?? []
  const valuesOf = (name: string) => {
    const attribute = new RegExp(`\\s${name}="([^"]*)"`)
    return tags.flatMap((tag) => attribute.exec(tag)?.[1]?.replaceAll('&amp;', '&') ?? [])
  }
  return { id: valuesOf('id'), href: valuesOf('href'), src: valuesOf('src') }
}
