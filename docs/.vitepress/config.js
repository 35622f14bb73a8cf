import { readdirSync } from 'node:fs';

const page = (text, name) => ({ text, link: `/${name}` });

/** What the package exports beside its root. */
const doors = readdirSync('../src/doors').map((file) => file.replace(/\.ts$/, ''));

const sidebar = [
  {
    text: 'Start',
    items: [
      page('Getting started', 'getting-started'),
      page('Concepts', 'concepts'),
      page('Troubleshooting', 'troubleshooting'),
    ],
  },
  {
    text: 'Guides',
    items: [
      page('Train', 'train'),
      page('Your data', 'your-data'),
      page('Clusters', 'cluster'),
      page('GPUs', 'gpu'),
      page('Serve', 'serve'),
      page('Compress and export', 'compress'),
      page('Energy', 'energy'),
      page('Plan', 'plan'),
      page('Nested ghosts', 'nested-ghosts'),
      page('Extending', 'extending'),
    ],
  },
  {
    text: 'Reference',
    items: [
      page('Settings', 'settings'),
      page('Commands', 'commands'),
      page('File formats', 'file-formats'),
      page('The analysis', 'analysis'),
      page('API', 'api/'),
    ],
  },
  {
    text: 'Background',
    items: [page('Results', 'results'), page('Design notes', 'design-notes')],
  },
];

/** What a picture for light and dark becomes here, where a button chooses between the two. */
function pictures(html) {
  return html.replaceAll(
    /<picture>\s*<source [^>]*srcset="([^"]+)">\s*<img ([^>]*)src="([^"]+)"([^>]*)>\s*<\/picture>/g,
    (_, dark, before, light, after) =>
      `<img class="in-light" ${before}src="./${light}"${after}>` +
      `<img class="in-dark" ${before}src="./${dark}"${after}>`,
  );
}

export default {
  title: 'phantom-parallel',
  description: 'Train and serve feed-forward networks with phantom and tensor parallelism',
  lang: 'en-US',
  outDir: 'dist',
  cleanUrls: false,
  vite: { build: { chunkSizeWarningLimit: 4096 } },
  markdown: {
    config(md) {
      const { html_block: html, link_open: link } = md.renderer.rules;
      md.renderer.rules.link_open = (tokens, i, ...rest) => {
        // The repository has it, the site has not.
        if (
          tokens[i].attrGet('href')?.startsWith('../') &&
          !rest[1].relativePath.startsWith('api/')
        ) {
          tokens[i].attrs = [];
        }
        return link(tokens, i, ...rest);
      };
      md.renderer.rules.html_block = (tokens, i, ...rest) => {
        tokens[i].content = pictures(tokens[i].content);
        return html(tokens, i, ...rest);
      };
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [page('Guides', 'getting-started'), page('Settings', 'settings'), page('API', 'api/')],
    sidebar: {
      '/api/': [
        { text: 'API', items: [page('phantom-parallel', 'api/phantom-parallel/')] },
        {
          text: 'phantom-parallel/…',
          items: doors.map((door) => page(door, `api/phantom-parallel/${door}/`)),
        },
      ],
      '/': sidebar,
    },
  },
};
