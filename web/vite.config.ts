import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

// The page is served under a policy of `default-src 'none'` with 'self' for script, style, image,
// font and connect: nothing may be inlined, so small assets stay files too.
const target = process.env.DECNET_API ?? 'http://127.0.0.1:8088';

export default defineConfig({
  plugins: [
    react(),
    {
      name: 'hold-first-paint-for-the-theme',
      transformIndexHtml: {
        order: 'post',
        handler: (html: string) => html.replace('<script type="module"', '<script type="module" blocking="render"'),
      },
    },
  ],
  build: {
    target: 'es2022',
    sourcemap: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 400,
  },
  server: { proxy: { '/api': { target, changeOrigin: true } } },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
