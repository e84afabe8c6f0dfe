import { defineConfig } from "vite";

// Three files with fixed names: the program embeds them, and a test compares their bytes.
export default defineConfig({
  base: "./",
  build: {
    target: "es2022",
    modulePreload: false,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
    rollupOptions: {
      output: { entryFileNames: "index.js", assetFileNames: "index[extname]", codeSplitting: false },
    },
  },
});
