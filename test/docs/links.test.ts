import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { headingId } from '../../docs/.vitepress/heading-id.ts'
import { pageGroups } from '../../docs/.vitepress/pages.ts'

const root = resolve(import.meta.dirname, '..', '..')
const pages = globSync(['*.md', 'docs/**/*.md', 'bees/**/*.md', 'swarms/**/*.md', 'examples/**/*.md'], { cwd: root, exclude: ['**/node_modules/**'] })

/** The text of a page without its examples, because examples contain no links. */
function proseOf(file: string): string {
  return readFileSync(file, 'utf8')
    .replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, '')
    .replaceAll(/`[^`\n]*`/g, (code) => '`'.repeat(code.length))
}

/** The anchors of a page, made from its headings as GitHub makes them. */
function anchorsOf(file: string): ReadonlySet<string> {
  const counts = new Map<string, number>()
  const text = readFileSync(file, 'utf8').replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, '')
  const anchors = [...text.matchAll(/^#{1,6} +(.*)$/gm)].map(([, heading = '']) => {
    const slug = headingId(heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1'))
    const count = counts.get(slug) ?? 0
    counts.set(slug, count + 1)
    return count === 0 ? slug : `${slug}-${count}`
  })
  return new Set(anchors)
}

function deadLinksOf(page: string): readonly string[] {
  const file = resolve(root, page)
  const links = [...proseOf(file).matchAll(/\]\(([^()\s]+(?:\([^()]*\))?)(?: "[^"]*")?\)/g)].map(([, link = '']) => link)
  return links
    .filter((link) => !/^[a-z][a-z+.-]*:/i.test(link))
    .filter((link) => {
      const [path = '', anchor] = link.split('#', 2)
      const target = path === '' ? file : resolve(dirname(file), decodeURIComponent(path))
      if (!existsSync(target)) return true
      return anchor !== undefined && target.endsWith('.md') && statSync(target).isFile() && !anchorsOf(target).has(anchor)
    })
}

describe('The pages', () => {
  it('have no dead links among themselves, including anchors', () => {
    assert.ok(pages.length > 60)
    const dead = pages.flatMap((page) => deadLinksOf(page).map((link) => `${page}: ${link}`))
    assert.deepEqual(dead, [])
  })

  it('are each in the menu of the site once, and the menu names no other pages', () => {
    const named = pageGroups.flatMap((group) => group.pages)
    assert.equal(new Set(named).size, named.length)
    for (const page of named) assert.ok(existsSync(resolve(root, 'docs', `${page}.md`)), page)
    for (const page of globSync('docs/*.md', { cwd: root })) assert.ok(page === 'docs/index.md' || named.includes(page.slice(5, -3)), page)
  })
})
